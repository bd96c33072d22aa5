// The page of one machine: its progress, then its screen and its sound by WebSockets.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>

#include "http/router.h"
#include "viewer/access.h"
#include "viewer/machine.h"

namespace hako::viewer {

constexpr int kMaxScreens = 16;  // at once, and as many that listen; one more is refused

// The handler for http::Server. assets: the folder with the page (share/web). What it is given must
// outlive it.
//
//   GET /            the page and its files, for everybody
//   POST /login      {"password": "..."}; the answer sets the cookie that the rest asks for
//   GET /progress    macos::Progress, and whether there is sound
//   GET /screen      a WebSocket that carries RFB
//   GET /sound       a WebSocket that carries samples (viewer/sound.h), where there is sound
//   POST /power      ?action=start|stop|restart|kill
http::Handler make_viewer(Machine& machine, Access& access, std::filesystem::path assets);

}  // namespace hako::viewer
