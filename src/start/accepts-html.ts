const HTML = ['text/html', 'application/xhtml+xml'];

/** Whether `Accept` names HTML, as browsers do, and no less than JSON. Who takes anything, as curl does, is a program. */
export function acceptsHtml(accept: string | undefined): boolean {
  const html = Math.max(...HTML.map((type) => weightOf(accept, type)));
  return html > 0 && html >= weightOf(accept, 'application/json');
}

/** Its `q` (RFC 9110, 12.4.2), 0 where it is not named. */
function weightOf(accept = '', type: string): number {
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const given = weight === undefined ? 1 : Number(weight.slice(2));
    return given >= 0 && given <= 1 ? given : 0;
  }
  return 0;
}
