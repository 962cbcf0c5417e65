/** What a model does: with one image, or with rows of a table. */
export type Task = 'image-classification' | 'tabular-classification' | 'tabular-regression';
