import { UsageFault, type CliCommand, type CommandCall, type Output } from '@rookery/cli';
import { askCluster, type ControlRequest } from './control.js';
import type { ComponentStatus } from './running-cluster.js';

const data = {
  flags: '--data <folder>',
  summary: 'of its data, where they are not under DATA_DIR (one started with --temporary says where)',
};
const COLUMNS = ['component', 'address', 'pid', 'state', 'up for', 'requests/s', ''];

/** `rookery cluster …`: what may be asked of the cluster that runs. @param folder of its data, where no flag names one */
export function clusterCommands(folder: () => string): CliCommand<unknown>[] {
  const command = (
    name: string,
    summary: string,
    asked: (call: CommandCall<unknown>) => ControlRequest,
    args?: string,
  ): CliCommand<unknown> => ({
    path: ['cluster', name],
    summary,
    ...(args && { args }),
    flags: [data],
    run: async (call) => {
      const { flags, json, output, progress } = call;
      const place = typeof flags['data'] === 'string' ? flags['data'] : folder();
      const request = asked(call);
      const say = (line: string): void =>
        json || request.command === 'status' ? progress.say(line) : output.print(line);
      const status = await askCluster(place, request, say);
      if (json) output.json(status);
      else print(status, output);
    },
  });
  return [
    command('status', 'what runs of the cluster of this checkout, and where', () => ({ command: 'status' })),
    command(
      'scale',
      'start or stop replicas until there are so many',
      ({ args }) => {
        const replicas = Number(args['replicas']);
        if (!Number.isInteger(replicas) || replicas < 1)
          throw new UsageFault('scale takes a whole number from 1 on');
        return { command: 'scale', replicas };
      },
      '<replicas>',
    ),
    command('roll', 'replace the replicas one after the other, without a failed request', () => ({
      command: 'roll',
    })),
    command(
      'kill',
      'end a replica by SIGKILL, to see what becomes of it',
      ({ args }) => ({ command: 'kill', replica: args['replica']! }),
      '<replica>',
    ),
  ];
}

function print(status: readonly ComponentStatus[], output: Output): void {
  const rows = status.map(({ component, address, pid, state, uptimeMs, requestsPerSecond, note }) => [
    component,
    address,
    String(pid ?? ''),
    state,
    uptimeMs === undefined ? '' : `${Math.round(uptimeMs / 1_000)} s`,
    requestsPerSecond?.toFixed(1) ?? '',
    note,
  ]);
  const widths = COLUMNS.map((title, i) =>
    Math.max(...[title, ...rows.map((row) => row[i]!)].map(({ length }) => length)),
  );
  for (const row of [COLUMNS, ...rows])
    output.print(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
}
