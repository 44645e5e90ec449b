import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import type { CodeModule } from './code-blocks.js';

/**
 * Type-checks the modules in one program, against the workspace and under its own tsconfig.json; only what an example
 * may do and a source file may not (a variable that is there to be seen) is let pass.
 * @returns the faults as `page:line TScode message`
 */
export function compileModules(root: string, modules: readonly CodeModule[]): string[] {
  const byPath = new Map(modules.map((module) => [join(root, module.path), module]));
  const options: ts.CompilerOptions = {
    ...configOf(root).options,
    noEmit: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const host = ts.createCompilerHost(options);
  const read = { source: host.getSourceFile.bind(host), text: host.readFile.bind(host) };
  const exists = host.fileExists.bind(host);
  const folders = new Set([...byPath.keys()].map((path) => dirname(path)));
  const hasFolder = host.directoryExists?.bind(host);
  host.directoryExists = (path) => folders.has(path) || (hasFolder?.(path) ?? true);
  host.fileExists = (path) => byPath.has(path) || exists(path);
  host.readFile = (path) => byPath.get(path)?.code ?? read.text(path);
  host.getSourceFile = (path, languageVersion, onError, fresh) => {
    const module = byPath.get(path);
    return module === undefined
      ? read.source(path, languageVersion, onError, fresh)
      : ts.createSourceFile(path, module.code, languageVersion, true);
  };
  const program = ts.createProgram({ rootNames: [...byPath.keys()], options, host });
  return [
    ...program.getOptionsDiagnostics(),
    ...[...byPath.keys()].flatMap((path) => faultsIn(program, path)),
  ].map((fault) => lineFor(fault, byPath, root));
}

function faultsIn(program: ts.Program, path: string): readonly ts.Diagnostic[] {
  const source = program.getSourceFile(path);
  if (source === undefined) throw new Error(`${path} was not compiled`);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
}

function lineFor(fault: ts.Diagnostic, modules: ReadonlyMap<string, CodeModule>, root: string): string {
  const text = `TS${fault.code} ${ts.flattenDiagnosticMessageText(fault.messageText, ' ')}`;
  if (fault.file === undefined) return text;
  const module = modules.get(fault.file.fileName);
  const { line } = fault.file.getLineAndCharacterOfPosition(fault.start ?? 0);
  return module === undefined
    ? `${relative(root, fault.file.fileName)}:${line + 1} ${text}`
    : `${module.page}:${module.lines[line] ?? module.lines.at(-1)} ${text}`;
}

function configOf(root: string): ts.ParsedCommandLine {
  const path = join(root, 'tsconfig.json');
  const parsed = ts.getParsedCommandLineOfConfigFile(path, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (fault) => {
      throw new Error(ts.flattenDiagnosticMessageText(fault.messageText, ' '));
    },
  });
  if (parsed === undefined) throw new Error(`${path} cannot be read`);
  return parsed;
}
