import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { toQueueError } from './queue-error.ts';
import type { StartQueue } from './start-queue.ts';

/** Amazon SQS as a start queue. @param queueUrl its host is the endpoint of the requests */
export function createSqsStartQueue(queueUrl: string): StartQueue {
  const client = new SQSClient({
    maxAttempts: 5,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
  });
  return {
    async send(request) {
      try {
        await client.send(
          new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(request) }),
        );
      } catch (error) {
        throw toQueueError(error, 'Amazon SQS');
      }
    },
    close: async () => client.destroy(),
  };
}
