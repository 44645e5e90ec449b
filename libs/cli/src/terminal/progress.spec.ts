import { createProgress } from './progress.js';

function said(isTTY: boolean, lines: readonly string[]): string {
  let out = '';
  const progress = createProgress({ write: (text) => (out += text), isTTY, columns: 10 });
  for (const line of lines) progress.say(line);
  progress.clear();
  return out;
}

describe('progress', () => {
  it('is one line on a terminal, no longer than the terminal is wide, and gone in the end', () => {
    const clear = '\r\u001b[2K';
    expect(said(true, ['one', 'a line too long'])).toBe(`${clear}one${clear}a line to${clear}`);
    expect(said(true, [])).toBe('');
  });

  it('is a line each elsewhere, and none twice in a row', () => {
    expect(said(false, ['one', 'one', 'two', 'one'])).toBe('one\ntwo\none\n');
  });
});
