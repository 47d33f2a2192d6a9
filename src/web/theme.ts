/** Light or dark: the system's choice until the reader makes one. */

export type Theme = 'light' | 'dark';

const KEY = 'candlecast.theme';
const systemDark = matchMedia('(prefers-color-scheme: dark)');

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
}

export function currentTheme(): Theme {
  return stored() ?? (systemDark.matches ? 'dark' : 'light');
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = currentTheme();
}

/** A choice equal to the system's is forgotten, so that the page follows the system again. */
export function toggleTheme(): void {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
  try {
    if (next === (systemDark.matches ? 'dark' : 'light')) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Storage is refused (private mode): the choice holds for this page.
  }
  document.documentElement.dataset.theme = next;
}

export function onSystemTheme(run: () => void): void {
  systemDark.addEventListener('change', run);
}
