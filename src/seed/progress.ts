/** Where a long run tells how far it is. */
export interface Progress {
  begin(what: string, total: number): void;
  add(count: number): void;
  /** Shows the last state of what was begun, once. */
  end(): void;
  say(line: string): void;
}

export interface ProgressOptions {
  readonly write: (text: string) => void;
  /** A bar that is drawn over and over, or plain lines now and then. */
  readonly terminal: boolean;
  /** Columns of the terminal. @default 80 */
  readonly columns?: number;
  /** @default performance.now */
  readonly now?: () => number;
}

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;

/** A bar with rate and time left on a terminal; elsewhere a line every five seconds and one at the end. */
export function createProgress({
  write,
  terminal,
  columns = 80,
  now = () => performance.now(),
}: ProgressOptions): Progress {
  let what = '';
  let total = 0;
  let done = 0;
  let since = 0;
  let shown = 0;
  let drawn = false;
  const state = (): string =>
    stateOf({ what, total, done, seconds: (now() - since) / 1000, columns, terminal });
  const clear = (): void => {
    if (drawn) write('\r\u001b[2K');
    drawn = false;
  };
  const draw = (): void => {
    shown = now();
    if (!terminal) return write(`${state()}\n`);
    clear();
    write(state());
    drawn = true;
  };
  return {
    begin(name, count) {
      [what, total, done, since, shown] = [name, count, 0, now(), now()];
      if (terminal) draw();
    },
    add(count) {
      done += count;
      if (now() - shown >= (terminal ? BAR_EVERY_MS : LINE_EVERY_MS)) draw();
    },
    end() {
      if (what === '') return;
      draw();
      what = '';
      if (terminal) write('\n');
      drawn = false;
    },
    say(line) {
      clear();
      write(`${line}\n`);
    },
  };
}

interface State {
  readonly what: string;
  readonly total: number;
  readonly done: number;
  readonly seconds: number;
  readonly columns: number;
  readonly terminal: boolean;
}

function stateOf({ what, total, done, seconds, columns, terminal }: State): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const rate = seconds > 0 ? done / seconds : 0;
  const left = done < total && rate > 0 ? `, ${time((total - done) / rate)} left` : `, ${time(seconds)}`;
  const text = `${count(done)}/${count(total)}  ${count(Math.round(rate))}/s${left}`;
  const name = what.padEnd(9);
  if (!terminal) return `${name} ${percent(share)}  ${text}`;
  const width = Math.max(0, Math.min(40, columns - name.length - text.length - 10));
  const full = Math.round(share * width);
  return `${name} ${'█'.repeat(full)}${'░'.repeat(width - full)} ${percent(share)}  ${text}`.slice(
    0,
    columns - 1,
  );
}

function percent(share: number): string {
  // Never 100% before the end.
  return `${Math.floor(share * 100)}%`.padStart(4);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function time(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}
