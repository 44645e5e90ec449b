import { listStatement, sizeFor } from './list-statements.js';
import { everything } from './selection.js';

describe('statements of lists', () => {
  it.each([
    [1, 20],
    [20, 20],
    [21, 100],
    [10_020, 10_100],
    [20_000, 20_000],
  ])('fetches at least %i rows by a LIMIT of %i', (rows, size) => {
    expect(sizeFor(rows)).toBe(size);
  });

  it('has one text per name, and one name per text', () => {
    const shapes = [20, 100].flatMap((size) =>
      [true, false].flatMap((offset) =>
        [true, false].flatMap((viewer) =>
          [true, false].map((followed) => ({ size, offset, viewer, followed })),
        ),
      ),
    );
    const statements = shapes.map((shape) => listStatement(everything, shape));
    expect(new Set(statements.map(({ name }) => name)).size).toBe(shapes.length);
    expect(new Set(statements.map(({ text }) => text)).size).toBe(shapes.length);
    expect(listStatement(everything, shapes[0]!)).toBe(statements[0]);
  });

  it('has its LIMIT in the text, where the planner sees it', () => {
    const { text } = listStatement(everything, { size: 20, offset: false, viewer: false, followed: false });
    expect(text).toMatch(/LIMIT 20\b/);
    expect(text).not.toContain('$');
  });
});
