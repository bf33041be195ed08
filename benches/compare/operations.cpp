// Counts the operations that LibTorch runs in a process, and the time that each takes without those it calls:
// preloaded by operations.py, it writes `count milliseconds name` lines to $OPERATIONS when the process ends.

#include <ATen/record_function.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

struct Total {
  long count = 0;
  double milliseconds = 0;
};

struct Totals {
  std::mutex mutex;
  std::map<std::string, Total> by_name;

  ~Totals() {
    const char* path = std::getenv("OPERATIONS");
    if (path == nullptr) return;
    std::ofstream out(path);
    for (const auto& [name, total] : by_name) {
      out << total.count << ' ' << total.milliseconds << ' ' << name << '\n';
    }
  }
};

Totals totals;

// An operation that is running, and the one that called it.
struct Running : at::ObserverContext {
  Clock::time_point start;
  double of_others = 0;
  Running* caller;
};

thread_local Running* innermost = nullptr;

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  auto running = std::make_unique<Running>();
  running->caller = innermost;
  innermost = running.get();
  running->start = Clock::now();
  return running;
}

void end(const at::RecordFunction& function, at::ObserverContext* context) {
  auto* running = static_cast<Running*>(context);
  const double all = std::chrono::duration<double, std::milli>(Clock::now() - running->start).count();
  innermost = running->caller;
  if (innermost != nullptr) innermost->of_others += all;
  const std::lock_guard<std::mutex> lock(totals.mutex);
  Total& total = totals.by_name[function.name()];
  total.count += 1;
  total.milliseconds += all - running->of_others;
}

const auto handle = at::addGlobalCallback(at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));

}  // namespace
