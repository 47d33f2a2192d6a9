import axe, { type AxeResults, type Result } from 'axe-core';
import type { Page } from 'playwright-core';

/** WCAG 2.2 at level AA, and what axe counts as good practice. @see https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md */
const ALL = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** What another theme changes. */
const COLOURS = ['color-contrast', 'link-in-text-block'];

/** What the functions that run in the page see there. */
declare const document: { documentElement: { dataset: { theme: string } } };

/** What keeps somebody from using the page as it stands, in either theme: rule, element, what was measured. */
export async function barriers(page: Page): Promise<string[]> {
  const light = await barriersIn(page, ':root');
  return [...light, ...(await violations(page, ':root', 'dark', COLOURS))];
}

/** The same of one part of the page, in the light theme. */
export function barriersIn(page: Page, selector: string): Promise<string[]> {
  return violations(page, selector, 'light', ALL);
}

async function violations(
  page: Page,
  selector: string,
  colorScheme: 'light' | 'dark',
  runOnly: readonly string[],
): Promise<string[]> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, colorScheme);
  const session = await page.context().newCDPSession(page);
  try {
    // Over the protocol of the developer tools: a script of ours would be against the page's policy.
    await session.send('Runtime.evaluate', { expression: `typeof axe === 'object' || (() => { ${axe.source} })()` });
    const options = JSON.stringify({ runOnly, resultTypes: ['violations'], preload: false });
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression: `axe.run(${JSON.stringify(selector)}, ${options})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description);
    return (result.value as AxeResults).violations.flatMap(told);
  } finally {
    await session.detach();
  }
}

function told({ id, nodes }: Result): string[] {
  return nodes.map(({ target, any, all, none }) => {
    const [measured] = [...any, ...all, ...none];
    return `${id}: ${target.join(' ')}: ${measured?.message ?? ''}`;
  });
}
