import { stripVTControlCharacters } from 'node:util';
import type { CliStream } from '../cli.options.js';

/** Says on standard error how a command that takes its time gets on. */
export interface Progress {
  /** On a terminal it replaces what was said before; elsewhere it is a line of its own, unless it was said just now. */
  say(line: string): void;
}

export interface EndingProgress extends Progress {
  /** Nothing of it is left on a terminal. */
  clear(): void;
}

const CLEAR_LINE = '\r\u001b[2K';

export function createProgress(stream: CliStream): EndingProgress {
  let last = '';
  return {
    say: (line) => {
      if (line === last) return;
      last = line;
      if (stream.isTTY !== true) stream.write(`${line}\n`);
      else {
        const shown = [...stripVTControlCharacters(line)].slice(0, (stream.columns || 80) - 1).join('');
        stream.write(`${CLEAR_LINE}${shown}`);
      }
    },
    clear: () => {
      if (last !== '' && stream.isTTY === true) stream.write(CLEAR_LINE);
      last = '';
    },
  };
}
