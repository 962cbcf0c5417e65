import type { Program } from './ops.ts';
import { type Context, cast, floatOf } from './values.ts';

/** What a class activation map is computed from; the map of a class is features x its column of the kernel. */
export interface ActivationMaps {
  /** The node before pooling, float32 [batch, rows, columns, channels]. */
  readonly features: string;
  /** Weight of the dense layer behind pooling, shape [channels, classes], as weights.bin holds it. */
  readonly kernel: string;
  readonly type: 'float32' | 'bfloat16';
}

/**
 * Class activation maps (Zhou et al., 2016), for networks that end in global average pooling, one dense layer and a softmax:
 * the dense layer applied to every place before pooling instead of after it. The mean of a map is its class's logit, less
 * the bias. The graph yields the features; every run fetches them, because another set of outputs would make TensorFlow
 * keep a second copy of all filters.
 *
 * @returns undefined for networks of another shape
 */
export function emitActivationMaps(context: Context, program: Program): ActivationMaps | undefined {
  const { graph, type } = context;
  const find = (name: string) => program.ops.find((op) => op.name === name);
  const last = find(program.output);
  const dense = last?.kind === 'activation' ? find(last.input) : undefined;
  const pooled = dense?.kind === 'dense' ? find(dense.input) : undefined;
  if (dense?.kind !== 'dense' || pooled?.kind !== 'global-average-pool') return undefined;
  const kernel = context.weights.nameOf(`${dense.name}/kernel`);
  if (kernel === undefined) return undefined;
  const features = cast(graph, floatOf(context, pooled.input), type, 'float32');
  graph.node('features', 'Identity', [features], { T: { type: 'float32' } });
  return { features: 'features', kernel, type };
}
