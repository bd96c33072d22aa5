#pragma once

#include <string_view>

namespace hako::appliance {

// What the DHCP client of an appliance does with an address. Addresses may be the only ones of
// their network (/32), so the way to the router is told first.
constexpr std::string_view network_script() {
    return R"(#!/bin/sh
case $1 in
deconfig)
    ip addr flush dev $interface
    ip link set $interface up
    ;;
bound|renew)
    if ! ip addr show dev $interface | grep -q " $ip/"; then
        ip addr flush dev $interface
        ip addr add $ip/$mask dev $interface
        for console in $(cat /sys/class/tty/console/active); do
            echo "hako: $interface has the address $ip" > /dev/$console
        done
    fi
    for one in $router; do
        ip route replace $one dev $interface
        ip route replace default via $one dev $interface
        break
    done
    for one in $dns; do echo nameserver $one; done > /etc/resolv.conf
    ;;
esac
)";
}

}  // namespace hako::appliance
