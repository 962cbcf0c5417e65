import type { Containers } from './containers.ts';
import type { Engine } from './engine.ts';

/** The image under test, and what its tests share. */
export interface Subject {
  readonly engine: Engine;
  readonly image: string;
  /** The stand-in for the published base; undefined where the published one can be pulled. */
  readonly base: string | undefined;
  readonly containers: Containers;
  /** Of the names of this run's containers, volumes and networks. */
  readonly prefix: string;
  /** A picture that the model knows. */
  readonly pumpkin: Buffer;
}

/** Fails the tests of a suite at once if the build has failed. */
export const requireImage =
  ({ engine, image }: Subject) =>
  async (): Promise<void> => {
    await engine.docker(['image', 'inspect', '-f', '{{.Id}}', image]);
  };
