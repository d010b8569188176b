#pragma once

#include <string_view>

namespace syncflow {

/// A named point where a test lets the process die, fail, hang, or wait for something that the test does.
///
/// Compiled into test builds only (SYNCFLOW_FAILPOINTS). `SYNCFLOW_FAILPOINT=name=die` (or `fail`, `hang`, `freeze`,
/// with `name=die@3` for the third time it is reached) arms it; several are separated by commas.
/// `fail` throws Error(unavailable), `die` ends the process as kill -9 would, `hang` stops the thread for good,
/// `freeze` the whole process until it gets a SIGCONT.
/// `call:PORT` connects to that port of the loopback and goes on when the other end has closed.
#ifdef SYNCFLOW_FAILPOINTS
void failpoint(std::string_view name);
/// Arms in this process, over what the environment says; empty disarms. For tests of one process.
void arm_failpoints(std::string_view spec);
#else
inline void failpoint(std::string_view) {}
#endif

}  // namespace syncflow
