/** A command line that is understood, and asks for what makes no sense. `runCli` ends with 2. */
export class UsageFault extends Error {
  readonly exitCode = 2;
}
