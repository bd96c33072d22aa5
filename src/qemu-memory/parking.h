// Notes for those who keep this process in a file (vmm/checkpoint.h).
#pragma once

namespace hako {

// Before there is a second thread.
void open_desk();
// In a second thread, whichever.
void note_thread_record();

}  // namespace hako
