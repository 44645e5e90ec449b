import { status as Status, type ServiceError } from '@grpc/grpc-js';
import { CodedError, Deadline } from '@rookery/kernel';
import { errorOfStatus } from './error-of-status.js';
import { statusOfError } from './status-of-error.js';

describe('a coded error', () => {
  it.each([
    [400, Status.INVALID_ARGUMENT],
    [401, Status.UNAUTHENTICATED],
    [403, Status.PERMISSION_DENIED],
    [404, Status.NOT_FOUND],
    [409, Status.ALREADY_EXISTS],
    [412, Status.FAILED_PRECONDITION],
    [418, Status.FAILED_PRECONDITION],
    [422, Status.INVALID_ARGUMENT],
    [429, Status.RESOURCE_EXHAUSTED],
    [499, Status.CANCELLED],
    [500, Status.INTERNAL],
    [501, Status.UNIMPLEMENTED],
    [503, Status.UNAVAILABLE],
    [504, Status.DEADLINE_EXCEEDED],
    [599, Status.INTERNAL],
  ])('of %i is status %i, and comes back as it was', (http, code) => {
    const sent = new CodedError('RK_X_Y', { status: http, message: 'so' }, { data: { n: 1 } });
    const status = statusOfError(sent, 'x.Y/Z');
    expect(status.code).toBe(code);
    const failure: ServiceError = Object.assign(new Error(status.details), status);
    const back = errorOfStatus(failure, 'x.Y/Z', Deadline.after(1_000));
    expect(back).toMatchObject({ code: 'RK_X_Y', status: http, retryable: false, cause: failure });
    // What happened inside of a server stays there.
    expect(back.data).toEqual(http < 500 ? { n: 1 } : {});
  });

  it('of a conflict that may pass is one with another call', () => {
    const error = new CodedError('RK_X_Y', { status: 409, message: 'so', retryable: true });
    expect(statusOfError(error, 'x.Y/Z').code).toBe(Status.ABORTED);
  });

  it('tells no more than fits into trailers', () => {
    const error = new CodedError(
      'RK_X_Y',
      { status: 400, message: 'x'.repeat(50_000) },
      { data: { much: 'y'.repeat(50_000), little: 'z', odd: 1n } },
    );
    const { details, metadata } = statusOfError(error, 'x.Y/Z');
    expect(details.length).toBeLessThanOrEqual(1_024);
    expect(JSON.stringify(metadata.toHttp2Headers()).length).toBeLessThan(6_000);
  });

  it('is not believed of a stranger who sends what is no code', () => {
    const status = statusOfError(new CodedError('constructor', { status: 404, message: 'so' }), 'x.Y/Z');
    const failure: ServiceError = Object.assign(new Error(status.details), status);
    expect(errorOfStatus(failure, 'x.Y/Z', Deadline.after(1_000)).code).toBe('RK_RPC_NOT_FOUND');
  });
});
