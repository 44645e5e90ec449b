import { stripVTControlCharacters } from 'node:util';
import { createProgress } from './progress.js';

function progressOn(terminal: boolean) {
  let text = '';
  let clock = 0;
  const progress = createProgress({
    write: (part) => (text += part),
    terminal,
    columns: 80,
    now: () => clock,
  });
  return {
    progress,
    pass: (ms: number) => (clock += ms),
    take: () => {
      const taken = text;
      text = '';
      return taken;
    },
  };
}

describe('progress', () => {
  it('is a bar on a terminal, drawn over itself, with rate and time left', () => {
    const { progress, pass, take } = progressOn(true);
    progress.begin('articles', 1_000);
    take();
    pass(1_000);
    progress.add(250);
    expect(stripVTControlCharacters(take())).toMatch(
      /^\rarticles {2}█{8,}░{24,} {2}25% {2}250\/1,000 {2}250\/s, 3\.0 s left$/,
    );
    pass(10);
    progress.add(1);
    expect(take()).toBe('');
    pass(3_000);
    progress.add(749);
    progress.end();
    expect(take()).toMatch(/100% {2}1,000\/1,000 .*, 4\.0 s\n$/);
  });

  it('is a plain line now and then elsewhere', () => {
    const { progress, pass, take } = progressOn(false);
    progress.begin('people', 10);
    pass(4_999);
    progress.add(5);
    expect(take()).toBe('');
    pass(1);
    progress.add(1);
    expect(take()).toBe('people     60%  6/10  1/s, 3.3 s left\n');
    progress.end();
    progress.end();
    expect(take()).toBe('people     60%  6/10  1/s, 3.3 s left\n');
  });

  it('does not write over what is said', () => {
    const { progress, take } = progressOn(true);
    progress.begin('people', 10);
    take();
    progress.say('hello');
    expect(take()).toBe('\r\u001b[2Khello\n');
  });

  it('never says that all is done before it is', () => {
    const { progress, pass, take } = progressOn(false);
    progress.begin('articles', 1_000_000);
    pass(6_000);
    progress.add(999_999);
    expect(take()).toContain(' 99%');
  });
});
