/** The environment does not make a site. The process ends with 78 (EX_CONFIG of sysexits.h). */
export class ConfigFault extends Error {
  readonly exitCode = 78;

  constructor(readonly faults: readonly string[]) {
    super(
      `the configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.join('; ')}`,
    );
    this.name = 'ConfigFault';
  }
}
