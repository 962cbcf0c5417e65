import type { Endpoint } from './graph.ts';
import type { Program } from './ops.ts';
import { type Context, cast, floatOf } from './values.ts';
import { integers } from './weights.ts';

/**
 * Class activation maps, for networks that end in global average pooling, one dense layer and a softmax: the dense
 * layer applied to every place before pooling instead of after it. The mean of a map is its class's logit, less the bias.
 * TensorFlow computes them only in runs that ask for them.
 *
 * @returns the endpoint `maps`, float32 [batch, rows, columns, classes], or undefined for networks of another shape
 */
export function emitActivationMaps(context: Context, program: Program): Endpoint | undefined {
  const { graph, T, type } = context;
  const find = (name: string) => program.ops.find((op) => op.name === name);
  const last = find(program.output);
  const dense = last?.kind === 'activation' ? find(last.input) : undefined;
  const pooled = dense?.kind === 'dense' ? find(dense.input) : undefined;
  if (dense?.kind !== 'dense' || pooled?.kind !== 'global-average-pool') return undefined;
  const [features = 0, classes = 0] = dense.kernel.shape;
  const shape = integers(graph, 'maps/shape', [1, 1, features, classes]);
  const filter = graph.node('maps/filter', 'Reshape', [`${dense.name}/kernel`, shape], {
    T,
    Tshape: { type: 'int32' },
  });
  const convolved = graph.node('maps/convolution', 'Conv2D', [floatOf(context, pooled.input), filter], {
    T,
    strides: { integers: [1, 1, 1, 1] },
    dilations: { integers: [1, 1, 1, 1] },
    padding: { text: 'VALID' },
    data_format: { text: 'NHWC' },
  });
  graph.node('maps', 'Identity', [cast(graph, convolved, type, 'float32')], { T: { type: 'float32' } });
  return { name: 'maps', type: 'float32', shape: [-1, -1, -1, classes] };
}
