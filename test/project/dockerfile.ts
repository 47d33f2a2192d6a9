import { read } from './files.js';

interface Instruction {
  readonly name: string;
  /** The rest, with continued lines joined. */
  readonly text: string;
}

/** From one FROM to the next. */
export interface Stage {
  readonly base: string;
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

export interface ImageFile {
  readonly stages: readonly Stage[];
  /** Of the last stage. */
  readonly environment: Readonly<Record<string, string>>;
  readonly exposed: string | undefined;
}

const INSTRUCTIONS = /^(?:FROM|WORKDIR|COPY|RUN|LABEL|ENV|USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD)$/;

/** Strict: an instruction that is not known here is an error. Shell and environment variables stay as they are written. */
export function readDockerfile(): ImageFile {
  const lines = read('Dockerfile')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { base: string; name: string | null; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.+)$/.exec(line) ?? [];
    if (!INSTRUCTIONS.test(name)) throw new Error(`Dockerfile: what is "${line}"?`);
    if (name === 'FROM') {
      const [, base = '', stage = null] = /^(\S+)(?: AS (\S+))?$/.exec(text) ?? [];
      stages.push({ base, name: stage, instructions: [] });
    } else stages.at(-1)?.instructions.push({ name, text });
  }
  const last = stages.at(-1)?.instructions ?? [];
  const environment = Object.fromEntries(
    last
      .filter(({ name }) => name === 'ENV')
      .flatMap(({ text }) => text.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
  );
  return { stages, environment, exposed: last.find(({ name }) => name === 'EXPOSE')?.text };
}
