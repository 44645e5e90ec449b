import { seedOptions } from './options.js';

describe('the options of the seed', () => {
  it('have defaults', () => {
    expect(seedOptions([])).toEqual({
      articles: undefined,
      bulk: false,
      url: undefined,
      bodyLength: 500,
      password: undefined,
      from: undefined,
      concurrency: 8,
      help: false,
    });
  });

  it('are read', () => {
    expect(seedOptions(['--articles', '1_000_000', '--bulk', '--body-bytes=700'])).toMatchObject({
      articles: 1_000_000,
      bulk: true,
      bodyLength: 700,
    });
    expect(seedOptions(['--url', 'http://site/api/']).url).toBe('http://site/api');
  });

  it.each([
    [['--articles', '0'], /--articles expects a whole number from 1/],
    [['--articles', '1.5'], /not "1.5"/],
    [['--articles', 'many'], /not "many"/],
    [['--concurrency', '-1'], /--concurrency/],
    [['--url', 'site'], /--url expects/],
    [['--url', 'ftp://site'], /--url expects/],
    [['--bulk', '--url', 'http://site'], /give one of the two/],
    [['--wat'], /Unknown option '--wat'/],
    [['stray'], /stray/],
  ])('%j is refused in words, with code 2', (argv, message) => {
    const refused = (() => {
      try {
        return seedOptions(argv);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toMatchObject({ message: expect.stringMatching(message) as string, exitCode: 2 });
  });
});
