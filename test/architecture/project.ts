import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import ts from 'typescript';

/** Where an import leads. */
export type Target =
  /** A file of this tree; `lib` and `subpath` are set when it was reached by a package name. */
  | { readonly kind: 'file'; readonly path: string; readonly lib?: string; readonly subpath?: string }
  | { readonly kind: 'package'; readonly name: string; readonly found: boolean }
  | { readonly kind: 'builtin' }
  /** Names a file or an export of a lib that does not exist. */
  | { readonly kind: 'missing' }
  /** `import(expression)`: nobody can say. */
  | { readonly kind: 'computed' };

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased when the file is compiled. */
  readonly typeOnly: boolean;
  readonly target: Target;
}

export interface SourceFile {
  /** From the root of the tree, with forward slashes. */
  readonly path: string;
  readonly area: 'src' | 'libs' | 'test' | 'bench' | 'scripts';
  /** The lib it belongs to, or the folder directly under `src`. */
  readonly unit: string | undefined;
  /** A spec, or a file of a lib's `testing` subpath: never part of a running site. */
  readonly forTests: boolean;
  readonly isSpec: boolean;
  readonly ast: ts.SourceFile;
  readonly imports: readonly Import[];
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports?: Record<string, Record<string, string>>;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

export interface Lib {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** A tree of the shape of this repository: itself, or a fixture that breaks one of its rules. */
export interface Project {
  readonly root: string;
  readonly manifest: Manifest;
  readonly libs: readonly Lib[];
  readonly files: readonly SourceFile[];
}

const AREAS = ['src', 'libs', 'test', 'bench', 'scripts'] as const;
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'coverage']);
/** Trees that break rules so that the rules are seen to work. */
const FIXTURES = /^test\/[^/]+\/fixtures$/;
const SOURCE = /\.(ts|tsx|mts|cts|js|mjs|cjs)$/;
const resolution: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};

export function loadProject(root: string): Project {
  const manifest = readManifest(join(root, 'package.json'));
  const libs = folders(join(root, 'libs'))
    .filter((folder) => existsSync(join(root, 'libs', folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(join(root, 'libs', folder, 'package.json')) }));
  const packages = new PackageLookup();
  const sources = AREAS.flatMap((area) => allFilesUnder(root, area)).filter((path) => SOURCE.test(path));
  const files = sources.map((path) => {
    const absolute = join(root, path);
    const ast = ts.createSourceFile(absolute, readFileSync(absolute, 'utf8'), ts.ScriptTarget.ES2023, true);
    const imports = importsOf(ast).map((found) => ({
      ...found,
      target: targetOf(found.specifier, absolute, root, libs, packages),
    }));
    return { ...placeOf(path), path, ast, imports };
  });
  return { root, manifest, libs, files };
}

/** Every file under `folder` of the tree at `root`, but for what is installed, built, or breaks a rule on purpose. */
export function allFilesUnder(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    const left = entry.name.startsWith('.') || SKIPPED_FOLDERS.has(entry.name) || FIXTURES.test(path);
    return left ? [] : allFilesUnder(root, path);
  });
}

export function lineOf(node: ts.Node): number {
  const file = node.getSourceFile();
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

/** `@scope/name/inner/path` → `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

function folders(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function placeOf(path: string): Pick<SourceFile, 'area' | 'unit' | 'forTests' | 'isSpec'> {
  const parts = path.split('/');
  const area = parts[0] as SourceFile['area'];
  const unit = parts.length > 2 && (area === 'src' || area === 'libs') ? parts[1] : undefined;
  const isSpec = /\.spec\.\w+$/.test(path);
  const inTesting =
    area === 'libs' && (parts[2] === 'test' || (parts[2] === 'src' && parts[3] === 'testing'));
  return { area, unit, isSpec, forTests: isSpec || inTesting };
}

function importsOf(ast: ts.SourceFile): Omit<Import, 'target'>[] {
  const found: Omit<Import, 'target'>[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined) return;
    const literal = ts.isStringLiteralLike(specifier);
    found.push({ specifier: literal ? specifier.text : COMPUTED, line: lineOf(specifier), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importIsTypeOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, exportIsTypeOnly(node));
    else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
      add(node.moduleReference.expression, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && loadsModule(node.expression)) add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return found;
}

const COMPUTED = '(computed)';

function loadsModule(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
  );
}

function importIsTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || ts.isNamespaceImport(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}

function exportIsTypeOnly(node: ts.ExportDeclaration): boolean {
  if (node.isTypeOnly) return true;
  const named = node.exportClause;
  if (named === undefined || ts.isNamespaceExport(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}

function targetOf(
  specifier: string,
  from: string,
  root: string,
  libs: readonly Lib[],
  packages: PackageLookup,
): Target {
  if (specifier === COMPUTED) return { kind: 'computed' };
  if (specifier.startsWith('.')) return relativeTarget(specifier, from, root);
  if (isBuiltin(specifier)) return { kind: 'builtin' };
  const name = packageOf(specifier);
  const lib = libs.find((candidate) => candidate.manifest.name === name);
  if (lib !== undefined) return libTarget(specifier, lib, root);
  return { kind: 'package', name, found: packages.has(specifier, from) };
}

function relativeTarget(specifier: string, from: string, root: string): Target {
  const named = resolve(dirname(from), specifier);
  const candidates = [named.replace(/\.js$/, '.ts'), named.replace(/\.mjs$/, '.mts'), named];
  // Without its extension an import works in a type check of a laxer kind, and in no ESM process.
  const file = /\.\w+$/.test(specifier) ? candidates.find((path) => existsSync(path)) : undefined;
  if (file === undefined) return { kind: 'missing' };
  return { kind: 'file', path: relative(root, file).split(sep).join(posix.sep) };
}

function libTarget(specifier: string, lib: Lib, root: string): Target {
  const subpath = '.' + specifier.slice(lib.manifest.name.length);
  const source = lib.manifest.exports?.[subpath]?.['rookery-source'];
  if (source === undefined) return { kind: 'missing' };
  const path = posix.join('libs', lib.folder, source);
  return existsSync(join(root, path))
    ? { kind: 'file', path, lib: lib.folder, subpath }
    : { kind: 'missing' };
}

/** Whether npm packages are installed, asked of the same resolver as the type check. */
class PackageLookup {
  private readonly known = new Map<string, boolean>();

  has(specifier: string, from: string): boolean {
    const key = `${dirname(from)}\0${specifier}`;
    let found = this.known.get(key);
    if (found === undefined) {
      const { resolvedModule } = ts.resolveModuleName(
        specifier,
        from,
        resolution,
        ts.sys,
        undefined,
        undefined,
        ts.ModuleKind.ESNext,
      );
      found = resolvedModule !== undefined;
      this.known.set(key, found);
    }
    return found;
  }
}
