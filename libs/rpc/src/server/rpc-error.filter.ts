import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { currentContext, CodedError } from '@rookery/kernel';
import { throwError, type Observable } from 'rxjs';
import { statusOfError } from '../status/status-of-error.js';

/** Whatever a handler of a gRPC method throws becomes a status, with its code; what happened inside goes to `onError`. */
@Catch()
export class RpcErrorFilter implements ExceptionFilter {
  constructor(private readonly onError: (error: unknown, method: string) => void) {}

  catch(error: unknown, _host: ArgumentsHost): Observable<never> {
    const method = currentContext()?.route ?? 'unknown';
    const status = statusOfError(error, method);
    if (!(error instanceof CodedError) || error.status >= 500) this.onError(error, method);
    return throwError(() => Object.assign(new Error(status.details), status));
  }
}
