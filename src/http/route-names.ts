/** What a path is called in metrics and traces: that of its route, of which there are few, never what stands in its place. */
export class RouteNames {
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly { readonly path: string; readonly parts: readonly string[] }[];
  readonly #folders: readonly string[];

  /** @param paths of all routes; a part in braces stands for any one part, and a `*` at the end for all below. */
  constructor(paths: readonly string[]) {
    this.#exact = new Set(paths.filter((path) => !/[{*]/.test(path)));
    this.#folders = paths.filter((path) => path.endsWith('*'));
    this.#patterns = paths.filter((path) => path.includes('{')).map((path) => ({ path, parts: path.split('/') }));
  }

  /** "other": there is no such route. */
  of(path: string): string {
    if (this.#exact.has(path)) return path;
    const parts = path.split('/');
    const fits = (pattern: readonly string[]): boolean =>
      pattern.length === parts.length && pattern.every((part, i) => part.startsWith('{') || part === parts[i]);
    const pattern = this.#patterns.find((one) => fits(one.parts))?.path;
    return pattern ?? this.#folders.find((folder) => path.startsWith(folder.slice(0, -1))) ?? 'other';
  }
}
