import { Copy, DockerfileParser, Env, From, type Instruction, ModifiableInstruction, Run } from 'dockerfile-ast';
import { read } from './files.js';

export interface Step {
  readonly name: string;
  /** What follows the flags, with continued lines joined. Shell and environment variables stay as they are written. */
  readonly text: string;
  readonly words: readonly string[];
  /** The stage that a COPY is from, where it is not the context. */
  readonly from: string | undefined;
}

/** From one FROM to the next. */
export interface Stage {
  readonly base: string;
  readonly name: string | null;
  readonly steps: readonly Step[];
}

export interface ImageFile {
  readonly stages: readonly Stage[];
  /** Of the last stage. */
  readonly environment: Readonly<Record<string, string>>;
  readonly exposed: string | undefined;
}

/** What is handled here. */
const INSTRUCTIONS = new Set(
  'FROM WORKDIR COPY RUN LABEL ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(' '),
);
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  COPY: ['from'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'retries'],
};

/** Strict, as the parser is not: an instruction, a flag or a form that is not handled here is an error. */
export function readDockerfile(text = read('Dockerfile')): ImageFile {
  const file = DockerfileParser.parse(text);
  const stages: { base: string; name: string | null; steps: Step[] }[] = [];
  const environment = new Map<string, string>();
  for (const instruction of file.getInstructions()) {
    requireKnown(instruction);
    if (instruction instanceof From) {
      environment.clear();
      stages.push({ base: instruction.getImage() ?? '', name: instruction.getBuildStage(), steps: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw unknown(instruction);
    stage.steps.push(stepOf(instruction));
    if (!(instruction instanceof Env)) continue;
    for (const pair of instruction.getProperties()) {
      if (pair.getAssignmentOperator() !== '=') throw unknown(instruction);
      environment.set(pair.getName(), pair.getValue() ?? '');
    }
  }
  return {
    stages,
    environment: Object.fromEntries(environment),
    exposed: stages.at(-1)?.steps.find(({ name }) => name === 'EXPOSE')?.text,
  };
}

function requireKnown(instruction: Instruction): void {
  const keyword = instruction.getKeyword();
  const flags = instruction instanceof ModifiableInstruction ? instruction.getFlags() : [];
  const areFlags = flags.every((flag) => FLAGS[keyword]?.includes(flag.getName()) && flag.getValue());
  const words = instruction.getArguments().length;
  const isFrom = instruction instanceof From;
  const isForm = isFrom ? words === 1 || (words === 3 && instruction.getBuildStage() !== null) : words > 0;
  const hasDocument =
    (instruction instanceof Run || instruction instanceof Copy) && instruction.getHeredocs().length > 0;
  if (!INSTRUCTIONS.has(keyword) || !areFlags || !isForm || hasDocument) throw unknown(instruction);
}

function stepOf(instruction: Instruction): Step {
  const [from] = instruction instanceof Copy ? instruction.getFlags() : [];
  return {
    name: instruction.getKeyword(),
    text: instruction.getArgumentsContent() ?? '',
    words: instruction.getArguments().map((word) => word.getValue()),
    from: from?.getValue() ?? undefined,
  };
}

function unknown(instruction: Instruction): Error {
  const { line } = instruction.getRange().start;
  return new Error(`Dockerfile, line ${line + 1}: what is "${instruction.getTextContent()}"?`);
}
