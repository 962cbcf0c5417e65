import { type Static, Type } from 'typebox';

/** Query of POST /explain. */
export const ExplainQuery = Type.Object(
  {
    index: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000,
        description: 'Class to explain, as `index` of a prediction; default: the likeliest class',
      }),
    ),
    model: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'Name of the model, as GET /models lists it; the default model when absent',
      }),
    ),
    format: Type.Optional(
      Type.Unsafe<'json' | 'png'>({
        type: 'string',
        enum: ['json', 'png'],
        description: 'The grid as JSON, or a heat map as PNG; default: by the Accept header',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ExplainQuery = Static<typeof ExplainQuery>;

const fraction = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const pixels = (description: string) => Type.Integer({ minimum: 1, description });

/** What POST /explain answers as JSON: the domain's Explanation. */
export const ExplanationResponse = Type.Object(
  {
    model: Type.String({ description: 'The model that answered' }),
    version: Type.String({ description: 'Its version' }),
    prediction: Type.Object(
      {
        label: Type.String({ description: 'Name of the class' }),
        index: Type.Integer({ minimum: 0, description: 'Position of the class in the model’s output' }),
        probability: Type.Number({ minimum: 0, maximum: 1, description: 'Rounded to six decimals' }),
      },
      { description: 'The class that is explained' },
    ),
    grid: Type.Array(Type.Array(Type.Number()), {
      description:
        'Evidence by place, rows from top to bottom: each value is that place’s share of the class’s logit, and speaks against the class when it is negative',
    }),
    region: Type.Object(
      {
        left: fraction('Of the picture’s width'),
        top: fraction('Of the picture’s height'),
        width: fraction('Of the picture’s width'),
        height: fraction('Of the picture’s height'),
      },
      { description: 'Where in the upright picture the grid lies: the network sees a centre crop' },
    ),
    picture: Type.Object(
      { width: pixels('In pixels'), height: pixels('In pixels') },
      { description: 'The upright picture' },
    ),
  },
  { $id: 'Explanation' },
);

/** The heat map, for the document. */
export const HeatMap = Type.Unsafe<Buffer>({
  type: 'string',
  format: 'binary',
  description:
    'A PNG with the proportions of the whole upright picture, at most 1,024 pixels on its longest side, to be laid over it: transparent where nothing speaks for the class, opaque and bright where most does. Scaled to the strongest place of this picture.',
});
