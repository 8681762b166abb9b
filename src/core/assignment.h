// The labels of points, and the totals of their clusters, kept up to date while centroids move: the inner part of Lloyd's
// algorithm. Not for use beside lloyd.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cluster_totals.h"
#include "core/filter_tile.h"
#include "core/lloyd.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// The centroids as the filter sees them.
struct FilterCentroids {
  std::vector<float> values;
  float radius = 0;  // the largest length, rounded up

  void Set(const FilterTiles& filter, const std::vector<double>& centroids);
};

class Assignment {
 public:
  Assignment(const Points& points, std::size_t k, const ThreadTeam& team);

  // Begins anew; false where it was made for something else.
  bool Restart(const Points& points, std::size_t k, const ThreadTeam& team);

  const ClusterTotals& totals() const { return totals_; }
  const Labels& labels() const { return labels_; }
  Labels TakeLabels() { return std::move(labels_); }

  // Gives every row the label of its nearest centroid; returns how many labels changed (at first, all). moved: how far each
  // centroid has moved since the last call, none before the first.
  std::size_t Assign(const std::vector<double>& centroids, const std::vector<double>& moved, ThreadTeam& team);

  // Moves one row to another cluster, nearest or not.
  void MoveRow(std::size_t row, std::size_t to);

 private:
  struct Change {
    std::size_t row;
    Label from;
    Label to;
  };
  struct Worker {
    Worker(ClusterTotals* totals, const Points& points, bool gathers)
        : changes(totals),
          tile(points.in_place() ? points.dimensions() * kTileRows : 0),
          row(points.dimensions()),
          copies(points.filter() != nullptr ? points.dimensions() * kTileRows : 0),
          failed(gathers ? kBlockRows + 1 : 0) {}
    ClusterTotals::Changes changes;
    std::size_t changed = 0;
    Change queue[kTileRows];
    std::size_t queued = 0;
    std::vector<double> tile;
    std::vector<double> row;
    std::vector<float> copies;  // a tile of the filter
    std::vector<std::uint32_t> failed;  // rows of a block whose slack is used up, relative to its first
    std::size_t failed_count = 0;
  };

  // How much slack each cluster's rows lose: what its own centroid has moved, and the farthest move of another one.
  void SetDrops(const std::vector<double>& moved);
  void AssignBlock(std::size_t block, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt);
  // In double precision.
  void AssignTilePlainly(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt);
  void AssignTile(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt);
  // One row in double precision, as NearestInTile does it.
  Label NearestOf(std::size_t row, const std::vector<double>& centroids, Worker* worker);
  void TakeLabelsOf(std::size_t tile, const Label* labels, Worker* worker);
  // Bit r is set where the labels of row r differ.
  static std::uint64_t DifferentLabels(const Label* a, const Label* b);
  // A row goes from one cluster to another. Reading it is put off until it has come near from memory.
  void Queue(std::size_t row, Label from, Label to, Worker* worker);
  void TakeQueued(Worker* worker);
  // Takes from every row's slack what the centroids have moved, and lists the rows that have none left. False when they are so
  // many that whole tiles are faster.
  bool FindFailed(std::size_t first_tile, std::size_t end_tile, Worker* worker);
  void AssignFailed(std::size_t first_tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt);

  const Points& points_;
  ClusterTotals totals_;
  Labels labels_;
  bool first_ = true;
  bool keeps_slack_;
  std::vector<float, CacheLineAllocator<float>> slack_;  // per row: below it, no centroid that moved can take the row away
  std::vector<float> drops_;
  FilterCentroids filter_centroids_;
  FilterKernel kernel_ = WidestFilter().kernel;
  std::vector<Worker> workers_;
};

}  // namespace segmentation
