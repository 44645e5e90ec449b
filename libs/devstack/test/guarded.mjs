/**
 * A process that has another one guarded, for tests: says the other's pid, and waits to be killed.
 * Use: node guarded.mjs <folder>
 */
import '../../../scripts/run-source.mjs';
import { spawn } from 'node:child_process';

const { Guard } = await import('../src/kafka/guard.ts');
const guard = await Guard.over(process.argv[2]);
const { pid } = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
guard.add(pid);
process.stdout.write(`${pid}\n`);
