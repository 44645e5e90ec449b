import { CodedError, defineErrors } from './errors.js';

const errors = defineErrors('NEST', {
  FULL: { status: 409, message: 'the nest {nest} holds {count} eggs, {unknown}', retryable: true },
  EMPTY: { status: 404, message: 'nothing here' },
});

describe('coded errors', () => {
  it('are named by library and name', () => {
    expect(errors.codes).toEqual({ FULL: 'RK_NEST_FULL', EMPTY: 'RK_NEST_EMPTY' });
  });

  it('fill their message from their data, and leave what the data lacks', () => {
    const error = errors.create('FULL', { data: { nest: 'oak', count: 3 } });
    expect(error.message).toBe('the nest oak holds 3 eggs, {unknown}');
    expect(error).toMatchObject({ status: 409, retryable: true, data: { nest: 'oak', count: 3 } });
  });

  it('keep their cause and when to try again', () => {
    const cause = new Error('wind');
    const error = errors.create('EMPTY', { cause, retryAfterSeconds: 2 });
    expect(error.cause).toBe(cause);
    expect(error.retryAfterSeconds).toBe(2);
    expect(error.retryable).toBe(false);
    expect('cause' in errors.create('EMPTY')).toBe(false);
  });

  it('are recognised by name, and only those of the registry', () => {
    const error: unknown = errors.create('EMPTY');
    expect(errors.is(error, 'EMPTY')).toBe(true);
    expect(errors.is(error, 'FULL')).toBe(false);
    expect(errors.is(new Error('RK_NEST_EMPTY'), 'EMPTY')).toBe(false);
    expect(errors.is(undefined, 'EMPTY')).toBe(false);
    expect(error).toBeInstanceOf(CodedError);
  });
});
