import { currentContext, currentDeadline, runInContext } from './context.js';
import { Deadline } from './deadline.js';

describe('the context of a request', () => {
  it('is seen by everything the request calls, awaited or not, and by nothing else', async () => {
    const context = { requestId: 'r1', deadline: Deadline.after(1_000) };
    const other = { requestId: 'r2', deadline: Deadline.after(1_000) };
    const seen: (string | undefined)[] = [];
    const look = async () => {
      await Promise.resolve();
      seen.push(currentContext()?.requestId);
    };
    let unawaited: Promise<void> | undefined;
    await Promise.all([
      runInContext(context, async () => {
        unawaited = look();
        await look();
        expect(currentDeadline()).toBe(context.deadline);
      }),
      runInContext(other, look),
    ]);
    await unawaited;
    expect(seen).toHaveLength(3);
    expect(seen.filter((id) => id === 'r1')).toHaveLength(2);
    expect(currentContext()).toBeUndefined();
    expect(currentDeadline()).toBeUndefined();
  });
});
