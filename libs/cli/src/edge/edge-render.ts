import { discoveryErrors, renderFolder } from '@rookery/discovery';
import type { CliCommand } from '../cli.options.js';
import { UsageFault } from '../usage-fault.js';

const VALUE = /^([A-Z][A-Z0-9_]*)=(.*)$/s;

/** `rookery edge render <from> <to>`: the configuration of a balancer from its templates. */
export const edgeRender: CliCommand<unknown> = {
  path: ['edge', 'render'],
  summary: 'write the configuration of Nginx or HAProxy from its templates',
  args: '<from> <to>',
  flags: [{ flags: '--set <name=value...>', summary: 'values of the templates, in place of their defaults' }],
  help: `<from> is deploy/nginx or deploy/haproxy, whose files say what there is to set; <to> becomes the prefix of Nginx. Where there
is an upstream.conf already, it is left to \`rookery edge run\`. With CERTIFICATE and CERTIFICATE_KEY, Nginx speaks TLS.`,
  async run({ args, flags, json, output }) {
    const { from, to } = args as { from: string; to: string };
    const values = valuesOf((flags['set'] ?? []) as readonly string[]);
    await renderFolder({ from, to, values }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === undefined || !('errno' in cause)) throw cause;
      throw discoveryErrors.create('BAD_TEMPLATE', { data: { file: from, reason: cause.message }, cause });
    });
    if (json) output.json({ from, to, values });
    else output.print(`${output.paint('green', '✓')} rendered ${from} into ${to}`);
  },
};

function valuesOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((text): [string, string] => {
    const [, name, value] = VALUE.exec(text) ?? [];
    if (name === undefined) throw new UsageFault(`--set takes NAME=value, not '${text}'`);
    return [name, value!];
  });
  return Object.fromEntries(pairs);
}
