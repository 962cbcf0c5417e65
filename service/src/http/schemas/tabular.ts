import { Type } from 'typebox';

const milliseconds = (description: string) => Type.Number({ minimum: 0, description });

const RowClass = Type.Object(
  {
    label: Type.String({ description: 'Name of the likeliest class' }),
    index: Type.Integer({ minimum: 0, description: 'Its position in the model’s output' }),
    probability: Type.Number({ minimum: 0, maximum: 1, description: 'Its probability, six decimals' }),
    probabilities: Type.Record(Type.String(), Type.Number(), {
      description: 'Probability of every class, by label',
    }),
  },
  { description: 'One row’s class' },
);

const RowValue = Type.Object(
  { value: Type.Number({ description: 'The predicted number, seven significant digits' }) },
  { description: 'One row’s value' },
);

/** Response of POST /predict to rows. */
export const TabularResponse = Type.Object(
  {
    model: Type.String({ description: 'The model that answered' }),
    version: Type.String({ description: 'Its version' }),
    predictions: Type.Array(Type.Union([RowClass, RowValue]), {
      description: 'One prediction per row, in the order of the rows',
    }),
    timing: Type.Object(
      {
        decodeMs: milliseconds('Checking the rows'),
        queueMs: milliseconds('Always 0: rows wait inside inferenceMs'),
        inferenceMs: milliseconds('Waiting for the engine and in it'),
      },
      { description: 'Where the time went, in milliseconds' },
    ),
  },
  { $id: 'TabularPrediction' },
);

/** Rows as JSON. The model’s features are checked against GET /models by the model itself, cell by cell. */
export const Instances = Type.Array(Type.Unknown(), {
  minItems: 1,
  description:
    'Rows for a tabular model: arrays in the order of its features, or objects by feature name (all of one kind or mixed)',
});

export const Csv = Type.Unsafe<Buffer>({
  type: 'string',
  description:
    'Rows for a tabular model, with or without a header of the feature names (`header=present` or `header=absent` in the Content-Type decides)',
});

export const FeatureResponse = Type.Object({
  name: Type.String(),
  type: Type.String({ description: '`number`, `integer` or `category`' }),
  categories: Type.Optional(Type.Array(Type.String())),
  minimum: Type.Optional(Type.Number()),
  maximum: Type.Optional(Type.Number()),
});
