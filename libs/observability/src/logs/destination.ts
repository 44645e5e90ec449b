import { pino } from 'pino';
import type { LogDestination } from '../observability.options.js';

/**
 * Standard output, written without blocking the loop: lines gather while a write is under way. Bounded: when nobody reads
 * the pipe, lines beyond `maxBufferedBytes` are dropped and `onDrop` is told their number as soon as there is room.
 * What is buffered is written when the process exits, `process.exit` and uncaught exceptions included.
 */
export function standardOutput(maxBufferedBytes: number, onRoom: (dropped: number) => void): LogDestination {
  const stream = pino.destination({ dest: 1, sync: false, minLength: 0, maxLength: maxBufferedBytes });
  let dropped = 0;
  stream.on('drop', () => {
    dropped += 1;
  });
  stream.on('drain', () => {
    if (dropped === 0) return;
    const count = dropped;
    dropped = 0;
    onRoom(count);
  });
  return stream;
}
