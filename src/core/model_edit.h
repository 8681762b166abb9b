// Models made from models: put together from a preparation and a training, renumbered, seen through another one's eyes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model.h"

namespace segmentation {

// A preparation is a model that only takes rows to its columns: one segment, no scaling. This puts together what it does with rows and
// what a training on its columns found; left_out rows as outliers, skipped rows beside those that the training has skipped.
// Throws kDimensionMismatch unless the training has the columns of the preparation.
Model AssembleModel(const Model& preparation, Model trained, std::uint64_t left_out, std::uint64_t skipped);

// The same model with other ids, one for each segment in their order. Throws kInvalidParameter for ids that are negative or not unique,
// kDimensionMismatch for another number of them.
Model Renumber(Model model, const std::vector<std::int32_t>& ids);

// The centroids of `model` in the columns (before scaling) of `onto`, matched by the names of the columns (ColumnNames): segments x
// onto's columns. A level that `model` does not have has a share of 0; one that `onto` does not have counts as its "other", where
// there is one. An input that `model` does not have is an error (kInvalidParameter), and so is another transform.
std::vector<double> CentroidsOnto(const Model& model, const Model& onto);

// A model that assigns as `onto` scales, with the centroids of `model`: to judge both on the same rows in one space. Its ids are those
// of `model`. Euclidean distance only (kNotSupported).
Model SeenBy(const Model& model, const Model& onto);

}  // namespace segmentation
