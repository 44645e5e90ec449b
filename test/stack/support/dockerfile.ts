/** A step of a Dockerfile: `{ name: 'COPY', args: '--from=build /site/dist dist' }`. */
export interface Step {
  readonly name: string;
  readonly args: string;
}

export interface Stage {
  readonly name: string;
  /** With build arguments filled in. */
  readonly from: string;
  readonly steps: readonly Step[];
}

/**
 * Reads the part of the Dockerfile syntax that ours uses: comments, lines that go on, ARG before the first FROM.
 * @throws on a stage that cannot be read
 */
export function parseDockerfile(text: string): Stage[] {
  const stages: { name: string; from: string; steps: Step[] }[] = [];
  const args = new Map<string, string>();
  const whole = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, '');
  for (const line of whole.split('\n').filter((one) => one.trim() !== '')) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`no step of a Dockerfile: ${line}`);
    if (name === 'FROM') {
      const [, from, as] = /^(\S+) AS (\S+)$/.exec(rest) ?? [];
      if (from === undefined || as === undefined) throw new Error(`a stage without a name: ${line}`);
      const filled = from.replace(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '');
      stages.push({ name: as, from: filled, steps: [] });
    } else if (stages.length === 0 && name === 'ARG') {
      const [arg, ...value] = rest.split('=');
      args.set(arg!, value.join('='));
    } else stages.at(-1)!.steps.push({ name, args: rest });
  }
  return stages;
}

/** `A=1 B=two words` of ENV, without quotes. */
export function variablesOf(args: string): Record<string, string> {
  return Object.fromEntries(
    args.split(/\s+/).map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** CMD, ENTRYPOINT and what follows HEALTHCHECK's CMD, in the form that starts no shell. @throws if it is the other form */
export function programOf(args: string): string[] {
  const parsed: unknown = JSON.parse(args.replace(/^.*?(?=\[)/, ''));
  if (!Array.isArray(parsed)) throw new Error(`a shell stands between: ${args}`);
  return parsed.map(String);
}

/**
 * Whether a path of the context is kept away from the image, by the rules of .dockerignore: the last pattern that matches
 * the path or a folder it lies in decides. Knows `*` and a leading `**`.
 */
export function ignores(dockerignore: string): (path: string) => boolean {
  const patterns = dockerignore
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), matches: matcherOf(line.replace(/^!/, '')) }));
  return (path) => {
    const parts = path.split('/');
    const here = parts.map((_, i) => parts.slice(0, i + 1).join('/'));
    return patterns.reduce((ignored, { keeps, matches }) => (here.some(matches) ? !keeps : ignored), false);
  };
}

function matcherOf(pattern: string): (path: string) => boolean {
  const source = pattern
    .split('/')
    .map((part) =>
      part === '**' ? '(?:.+/)?' : `${part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}/`,
    )
    .join('');
  const expression = new RegExp(`^${source}$`);
  return (path) => expression.test(`${path}/`);
}
