import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  /** @default 'left' */
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/** Columns as wide as their widest cell. Cells may have colours; rows that are shorter end early. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, i) =>
    Math.max(...[titles, ...rows].map((cells) => widthOf(cells[i] ?? ''))),
  );
  return [titles, ...rows].map((cells) =>
    cells
      .map((cell, i) => {
        const padding = ' '.repeat(Math.max(0, widths[i]! - widthOf(cell)));
        return columns[i]!.align === 'right' ? padding + cell : cell + padding;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Characters, not counting colours; what the command line prints is one column each. */
function widthOf(cell: string): number {
  return [...stripVTControlCharacters(cell)].length;
}
