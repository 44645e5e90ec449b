import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { currentContext } from '@rookery/kernel';
import { concatMap, from, of, type Observable } from 'rxjs';
import { Events } from '../events.js';

/** Sent with an answer that did not wait any longer: names the groups that have yet to apply what was written. */
export const LATE_HEADER = 'read-after-write-pending';

/** Holds the answer to a write until its writer's next read will show it, within the bound. */
@Injectable()
export class ReadAfterWriteInterceptor implements NestInterceptor {
  constructor(private readonly events: Events) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = currentContext();
    if (context.getType() !== 'http' || !request) return next.handle();
    return next.handle().pipe(
      concatMap((value: unknown) => {
        if (!this.events.settlement.owes(request)) return of(value);
        return from(
          this.events.settlement.settle(request).then((late) => {
            if (late.length > 0) {
              context
                .switchToHttp()
                .getResponse<{ header(name: string, value: string): unknown }>()
                .header(LATE_HEADER, late.join(', '));
            }
            return value;
          }),
        );
      }),
    );
  }
}
