import type { CliStream } from '../cli.options.js';

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** ECMA-48, select graphic rendition: on and off. */
const CODES: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Standard output of a command. */
export interface Output {
  /** A line, or several. */
  print(text?: string): void;
  /** The whole answer, for a program. */
  json(value: unknown): void;
  /** `text` in a colour where a person will see it, else as it is. */
  paint(colour: Colour, text: string): string;
  readonly columns: number;
}

/** @param beforeWriting takes away what else stands on the terminal's line */
export function createOutput(stream: CliStream, beforeWriting: () => void = () => undefined): Output {
  const write = (text: string): void => {
    beforeWriting();
    stream.write(text);
  };
  const colours = stream.isTTY === true && (stream.hasColors?.() ?? false);
  return {
    print: (text = '') => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value, undefined, 2)}\n`),
    paint: (colour, text) => {
      const [on, off] = CODES[colour];
      return colours ? `\u001b[${on}m${text}\u001b[${off}m` : text;
    },
    columns: stream.columns || 80,
  };
}
