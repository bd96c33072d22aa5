// Makes templates: boots a VM until vminitd waits, saves its state, and loads it for a trial.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/machine.h"
#include "vmm/template_key.h"

namespace hako::runtime {

// Of these machines only what they have in common with `spec` counts: disks, cards, shares and id
// are not theirs.
struct TemplateJob {
    vmm::MachineSpec spec;
    vmm::TemplateShape shape;
    std::filesystem::path path;    // of the template
    vmm::MachineOptions programs;  // jail and share_stage
};

// Takes about as long as two starts. The calling thread must live as long as that. A template that
// does not pass its trial is not published.
Result<void> build_template(const TemplateJob& job, const std::stop_token& stop);
// Reads all of it, and loads it once, until its agent answers.
Result<void> check_template(const TemplateJob& job, const std::stop_token& stop);
// Loads it into a machine that takes shares: some QEMUs do not.
Result<void> try_template_with_shares(const TemplateJob& job, const std::stop_token& stop);
// Of a crash in the middle.
void remove_template_leftovers();

// The first words to a guest that was just loaded. slots: guest::Wake's.
Result<void> send_wake(int channel, unsigned slots);

}  // namespace hako::runtime
