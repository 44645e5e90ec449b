const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$/;
const LABEL = /[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"/g;

/**
 * Samples of a Prometheus text exposition (format 0.0.4) by name and labels in alphabetical order. Strict: a line that the
 * format does not allow, a series that stands twice, or a sample without HELP and TYPE before it is an error.
 */
export function parseExposition(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const typed = new Map<string, string>();
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type !== null) typed.set(type[1]!, type[2]!);
    if (line.startsWith('# TYPE ') ? type !== null : line.startsWith('# HELP ')) continue;
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a sample: ${line}`);
    if (!typed.has(name) && !typed.has(name.replace(/_(bucket|sum|count)$/, ''))) {
      throw new Error(`no TYPE before ${name}`);
    }
    const key = labels === '' ? name : `${name}{${(labels.match(LABEL) ?? []).toSorted().join(',')}}`;
    if (samples.has(key)) throw new Error(`twice: ${key}`);
    samples.set(key, value === '+Inf' ? Infinity : Number(value));
  }
  return samples;
}
