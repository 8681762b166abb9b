// The settings (GUCs) of the extension.
#pragma once

#include <cstdint>

namespace segmentation {

// segmentation.train_memory in bytes: what exact rows may take, per group and process.
std::uint64_t TrainMemoryBytes();

// How many threads a training may use here: segmentation.threads, or, where that is 0, as many as a parallel plan of the session
// could have processes, but not more than there are processors. One in a parallel worker.
int TrainingThreads();

// segmentation.progress_interval: seconds between NOTICEs about long work; 0: none.
int ProgressInterval();

}  // namespace segmentation
