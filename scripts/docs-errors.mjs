// Keeps docs/errors.md true to the registries in the code (`defineErrors('<LIB>', {…})`).
//   npm run docs:errors              rewrites the tables; what the last column says is kept per code
//   npm run docs:errors -- --check   changes nothing, prints what differs, exits with 1 if anything does
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { parseArgs } from 'node:util';
import prettier from 'prettier';
import ts from 'typescript';

const BEGIN =
  '<!-- errors: from the code by `npm run docs:errors`; only the last column is written by hand -->';
const END = '<!-- end of errors -->';
const INTRODUCTION = `# Errors

Every failure that a library of the framework, or a feature of the site, reports has a code that never changes its meaning. An HTTP client sees it
as \`code\` of a problem document (RFC 9457) where the site does not override the shape; logs carry it always. _Retryable_
means: the same call may succeed later without any change by the caller. \`{name}\` stands for data of the occurrence.
`;

const { values: options } = parseArgs({
  options: { check: { type: 'boolean', default: false }, root: { type: 'string', default: '.' } },
});
const page = join(options.root, 'docs/errors.md');
const { registries, faults } = registriesIn(options.root);
const documented = existsSync(page) ? readFileSync(page, 'utf8') : '';
const rows = rowsOf(documented);

if (options.check) {
  const wrong = [...faults, ...differences()];
  for (const line of wrong) console.log(line);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} else {
  for (const fault of faults) console.error(fault);
  writeFileSync(page, await formatted(documented));
  for (const { code } of allErrors()) if (!rows.get(code)?.advice) console.log(`${code}: say what to do`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

/** Every registry of the tree, read from its source: what is not a literal there cannot be documented. */
function registriesIn(root) {
  const found = [];
  const wrong = [];
  for (const path of sourcesOf(root)) {
    const ast = ts.createSourceFile(
      path,
      readFileSync(join(root, path), 'utf8'),
      ts.ScriptTarget.ES2023,
      true,
    );
    const visit = (node) => {
      if (ts.isCallExpression(node) && node.expression.getText() === 'defineErrors') {
        const [library, definitions] = node.arguments.map(literalOf);
        const line = ast.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        if (typeof library !== 'string' || typeof definitions !== 'object')
          wrong.push(`${path}:${line} defineErrors takes literals, so that the documentation can read them`);
        else
          found.push({
            path,
            line,
            library,
            errors: errorsOf(`${path}:${line}`, library, definitions, wrong),
          });
      }
      ts.forEachChild(node, visit);
    };
    visit(ast);
  }
  for (const { path, line, library } of found) {
    const at = `${path}:${line}`;
    const folder = /^libs\/([^/]+)\//.exec(path)?.[1];
    if (folder !== undefined && library !== folder.toUpperCase().replaceAll('-', '_'))
      wrong.push(`${at} calls the registry of libs/${folder} ${library}`);
    if (!basename(path).endsWith('.errors.ts')) wrong.push(`${at} a registry belongs in <lib>.errors.ts`);
    if (found.filter((other) => other.library === library).length > 1)
      wrong.push(`${at} ${library} has more than one registry`);
  }
  found.sort((one, other) => (one.library < other.library ? -1 : 1));
  return { registries: found, faults: wrong };
}

function errorsOf(at, library, definitions, wrong) {
  return Object.entries(definitions).flatMap(([name, definition]) => {
    const { status, message, retryable = false } = definition ?? {};
    if (typeof status === 'number' && typeof message === 'string' && typeof retryable === 'boolean')
      return [{ code: `RK_${library}_${name}`, status, message, retryable }];
    wrong.push(`${at} ${name}: status, message and retryable are to be literals`);
    return [];
  });
}

function sourcesOf(root) {
  const folders = ['src', ...names(join(root, 'libs')).map((lib) => `libs/${lib}/src`)];
  const under = (folder) =>
    entries(join(root, folder)).flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) return under(path);
      return path.endsWith('.ts') && !path.endsWith('.spec.ts') ? [path] : [];
    });
  return folders.flatMap(under);
}

function entries(folder) {
  return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
}

function names(folder) {
  return entries(folder).map((entry) => entry.name);
}

function literalOf(node) {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node))
    return literalOf(node.expression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [literalOf(node.left), literalOf(node.right)];
    return typeof left === 'string' && typeof right === 'string' ? left + right : undefined;
  }
  if (!ts.isObjectLiteralExpression(node)) return undefined;
  if (!node.properties.every((property) => ts.isPropertyAssignment(property))) return undefined;
  return Object.fromEntries(
    node.properties.map((property) => [
      ts.isIdentifier(property.name) ? property.name.text : literalOf(property.name),
      literalOf(property.initializer),
    ]),
  );
}

function allErrors() {
  return registries.flatMap(({ errors }) => errors);
}

/** The rows of the page by code. */
function rowsOf(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const code = /^`(RK_\w+)`$/.exec(cells[1] ?? '')?.[1];
    if (code === undefined) continue;
    const [, , status, retryable, message, advice] = cells;
    const row = { status, retryable, message, advice, twice: found.has(code) };
    found.set(code, row);
  }
  return found;
}

function differences() {
  const wrong = [];
  for (const error of allErrors()) {
    const row = rows.get(error.code);
    if (row === undefined) {
      wrong.push(`${error.code} is not in docs/errors.md`);
      continue;
    }
    for (const [column, expected] of Object.entries(cellsOf(error)))
      if (withoutPadding(row[column]) !== withoutPadding(expected))
        wrong.push(`${error.code}: docs/errors.md says ${column} ${row[column]}, the code ${expected}`);
    if (!row.advice) wrong.push(`${error.code}: docs/errors.md does not say what to do`);
    if (row.twice) wrong.push(`${error.code} is in docs/errors.md twice`);
  }
  const codes = new Set(allErrors().map(({ code }) => code));
  for (const code of rows.keys())
    if (!codes.has(code)) wrong.push(`${code} is in docs/errors.md, and nowhere in the code`);
  return wrong;
}

function cellsOf({ status, retryable, message }) {
  const text = message.replaceAll('|', '\\|');
  return {
    status: String(status),
    retryable: retryable ? 'yes' : 'no',
    message: text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``,
  };
}

/** Prettier drops the spaces inside a code span that has no need of them. */
function withoutPadding(cell) {
  return cell.replace(/^(`+) (.*) \1$/, '$1$2$1');
}

/** The page with its tables made anew; what stands around them stays. */
async function formatted(text) {
  const tables = registries.map(({ path, library, errors }) => {
    const lines = errors.map((error) => {
      const { status, retryable, message } = cellsOf(error);
      const advice = rows.get(error.code)?.advice ?? '';
      return `| \`${error.code}\` | ${status} | ${retryable} | ${message} | ${advice} |`;
    });
    const head = '| Code | Status | Retryable | Message | What to do |\n| --- | --- | --- | --- | --- |';
    return `## ${library}\n\nDeclared in [\`${path}\`](../${path}).\n\n${head}\n${lines.join('\n')}`;
  });
  const block = `${BEGIN}\n\n${tables.join('\n\n')}\n\n${END}`;
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  const whole =
    before < 0 || after < 0
      ? `${INTRODUCTION}\n${block}\n`
      : text.slice(0, before) + block + text.slice(after + END.length);
  return prettier.format(whole, { ...(await prettier.resolveConfig(page)), parser: 'markdown' });
}
