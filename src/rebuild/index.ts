export {
  compareRows,
  fillRows,
  rebuildRows,
  type Difference,
  type ModelRow,
  type OnProgress,
  type RowModel,
} from './row-model.js';
