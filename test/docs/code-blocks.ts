/** A piece of TypeScript in a Markdown page, as it is compiled. */
export interface CodeModule {
  /** Where it is compiled as if it stood there, from the root of the repository. */
  readonly path: string;
  /** The page it comes from. */
  readonly page: string;
  readonly code: string;
  /** Line of the page (from 1) for each line of `code`. */
  readonly lines: readonly number[];
}

export interface Page {
  readonly modules: readonly CodeModule[];
  /** Blocks whose first line asks for what does not exist, as `page:line what`. */
  readonly faults: readonly string[];
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/**
 * The code of a page. A fence says `ts`, and may add:
 * - `file=src/x/y.ts`: compiled as if it were that file, so that it may import its neighbours and other blocks it;
 * - `continues`: goes on where the block before it ended, in the same module;
 * - `no-check REASON`: not compiled; only for code that is not ours to get right.
 * What a block takes for granted stands before it, unseen by the reader, in a comment: `<!-- given … -->`.
 */
export function codeOf(page: string, text: string): Page {
  const modules: { path: string; lines: Line[] }[] = [];
  const faults: string[] = [];
  let given: Line[] = [];
  for (const { kind, info, lines, at } of piecesOf(text)) {
    if (kind === 'given') {
      given = lines;
      continue;
    }
    const words = info.split(/\s+/).slice(1);
    const file = words.find((word) => word.startsWith('file='))?.slice('file='.length);
    const unknown = words.filter((word) => word !== 'continues' && !word.startsWith('file='));
    if (words[0] === 'no-check') {
      if (words.length === 1) faults.push(`${page}:${at} no-check without a reason`);
    } else if (unknown.length > 0) {
      faults.push(`${page}:${at} a block cannot be '${unknown.join(' ')}'`);
    } else if (words.includes('continues')) {
      const last = modules.at(-1);
      if (last === undefined) faults.push(`${page}:${at} continues nothing`);
      else last.lines.push(...given, ...lines);
    } else {
      modules.push({ path: file ?? `${page}.${modules.length + 1}.ts`, lines: [...given, ...lines] });
    }
    given = [];
  }
  return {
    faults,
    modules: modules.map(({ path, lines }) => ({
      path,
      page,
      code: lines.map((line) => line.text).join('\n'),
      lines: lines.map((line) => line.number),
    })),
  };
}

interface Piece {
  readonly kind: 'code' | 'given';
  readonly info: string;
  readonly at: number;
  readonly lines: Line[];
}

function piecesOf(text: string): Piece[] {
  const found: Piece[] = [];
  let open: (Piece & { readonly until: RegExp; readonly indent: number; readonly keep: boolean }) | undefined;
  text.split('\n').forEach((line, index) => {
    const number = index + 1;
    if (open !== undefined) {
      if (!open.until.test(line)) {
        open.lines.push({ text: line.slice(Math.min(open.indent, line.search(/\S|$/))), number });
      } else {
        if (open.keep) found.push(open);
        open = undefined;
      }
      return;
    }
    const fence = /^(\s*)(`{3,}|~{3,})\s*(.*)$/.exec(line);
    if (fence !== null) {
      const [, indent, ticks, info] = fence as unknown as [string, string, string, string];
      const keep = /^(ts|typescript|tsx)\b/.test(info);
      const until = new RegExp(`^\\s*${ticks}\\s*$`);
      open = { kind: 'code', info: info.trim(), at: number, lines: [], until, indent: indent.length, keep };
    } else if (/^\s*<!-- given\s*$/.test(line)) {
      open = { kind: 'given', info: '', at: number, lines: [], until: /^\s*-->\s*$/, indent: 0, keep: true };
    }
  });
  return found;
}
