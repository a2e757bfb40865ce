// Frames of two Linux 6.18 guests on one wire, as tcpdump heard them: 02:00:00:00:00:0a
// has 10.1.0.1 and fe80::ff:fe00:a, 02:00:00:00:00:0b has 10.1.0.2 and fe80::ff:fe00:b.
#pragma once

namespace dove::agent::kernel {

// Request who-has 10.1.0.2 tell 10.1.0.1
inline constexpr char kArpRequest[] =
    "ffff ffff ffff 0200 0000 000a 0806 0001 0800 0604 0001 0200 0000 000a 0a01 0001"
    "0000 0000 0000 0a01 0002";
// Reply 10.1.0.2 is-at 02:00:00:00:00:0b
inline constexpr char kArpReply[] =
    "0200 0000 000a 0200 0000 000b 0806 0001 0800 0604 0002 0200 0000 000b 0a01 0002"
    "0200 0000 000a 0a01 0001";
// Request who-has 10.1.0.1 (ff:ff:ff:ff:ff:ff) tell 10.1.0.1: arping -U
inline constexpr char kArpAnnouncement[] =
    "ffff ffff ffff 0200 0000 000a 0806 0001 0800 0604 0001 0200 0000 000a 0a01 0001"
    "ffff ffff ffff 0a01 0001";
// Request who-has 10.1.0.2 (ff:ff:ff:ff:ff:ff) tell 0.0.0.0: arping -D, and the reply to it
inline constexpr char kArpProbe[] =
    "ffff ffff ffff 0200 0000 000a 0806 0001 0800 0604 0001 0200 0000 000a 0000 0000"
    "ffff ffff ffff 0a01 0002";
inline constexpr char kArpProbeReply[] =
    "0200 0000 000a 0200 0000 000b 0806 0001 0800 0604 0002 0200 0000 000b 0a01 0002"
    "0200 0000 000a 0000 0000";

// fe80::ff:fe00:a > ff02::1:ff00:b: neighbor solicitation, who has fe80::ff:fe00:b
inline constexpr char kSolicitation[] =
    "3333 ff00 000b 0200 0000 000a 86dd 6000 0000 0020 3aff fe80 0000 0000 0000 0000"
    "00ff fe00 000a ff02 0000 0000 0000 0000 0001 ff00 000b 8700 7c73 0000 0000 fe80"
    "0000 0000 0000 0000 00ff fe00 000b 0101 0200 0000 000a";
// fe80::ff:fe00:b > fe80::ff:fe00:a: neighbor advertisement, tgt is fe80::ff:fe00:b
inline constexpr char kAdvertisement[] =
    "0200 0000 000a 0200 0000 000b 86dd 6000 0000 0020 3aff fe80 0000 0000 0000 0000"
    "00ff fe00 000b fe80 0000 0000 0000 0000 00ff fe00 000a 8800 1af6 6000 0000 fe80"
    "0000 0000 0000 0000 00ff fe00 000b 0201 0200 0000 000b";
// :: > ff02::1:ff00:b: neighbor solicitation, who has fe80::ff:fe00:b (with a nonce)
inline constexpr char kDetection[] =
    "3333 ff00 000b 0200 0000 000b 86dd 6000 0000 0020 3aff 0000 0000 0000 0000 0000"
    "0000 0000 0000 ff02 0000 0000 0000 0000 0001 ff00 000b 8700 6cc8 0000 0000 fe80"
    "0000 0000 0000 0000 00ff fe00 000b 0e01 cd9b 0616 2e8e";
// :: > ff02::1:ff00:1: neighbor solicitation, who has fd00::1, and the answer of who has it:
// fd00::1 > ff02::1: neighbor advertisement, tgt is fd00::1
inline constexpr char kDetectionOfTaken[] =
    "3333 ff00 0001 0200 0000 000b 86dd 6000 0000 0020 3aff 0000 0000 0000 0000 0000"
    "0000 0000 0000 ff02 0000 0000 0000 0000 0001 ff00 0001 8700 367c 0000 0000 fd00"
    "0000 0000 0000 0000 0000 0000 0001 0e01 cc4c 9947 d38b";
inline constexpr char kDetectionAnswer[] =
    "3333 0000 0001 0200 0000 000a 86dd 6000 0000 0020 3aff fd00 0000 0000 0000 0000"
    "0000 0000 0001 ff02 0000 0000 0000 0000 0000 0000 0001 8800 5a92 2000 0000 fd00"
    "0000 0000 0000 0000 0000 0000 0001 0201 0200 0000 000a";
// fe80::ff:fe00:a > ff02::2: router solicitation
inline constexpr char kRouterSolicitation[] =
    "3333 0000 0002 0200 0000 000a 86dd 6000 0000 0010 3aff fe80 0000 0000 0000 0000"
    "00ff fe00 000a ff02 0000 0000 0000 0000 0000 0000 0002 8500 7b1a 0000 0000 0101"
    "0200 0000 000a";
// fe80::ff:fe00:a > ff02::16: HBH, multicast listener report v2
inline constexpr char kListenerReport[] =
    "3333 0000 0016 0200 0000 000a 86dd 6000 0000 0024 0001 fe80 0000 0000 0000 0000"
    "00ff fe00 000a ff02 0000 0000 0000 0000 0000 0000 0016 3a00 0502 0000 0100 8f00"
    "71f5 0000 0001 0400 0000 ff02 0000 0000 0000 0000 0001 ff00 000a";

// What a VXLAN device (VNI 100, VTEP 192.0.2.1) sent into a TUN at 169.254.7.1, for guest
// 02:00:00:00:00:0b from 02:00:00:00:00:0a: a ping of 8 bytes, and one of 150 with the TUN's MTU at
// 116.
inline constexpr char kPunted[] =
    "4500005602a50000401104f2c0000201a9fe0701a19112b50042600d0800000000006400020000"
    "00000b02000000000a0800450000240a4a400040011c8b0a0100010a01000208009561568d0001"
    "0001020304050607";
inline constexpr char kPuntedFirst[] =
    "4500007402db20004011e49dc0000201a9fe0701a19112b500d05ef1080000000000640002000000"
    "000b02000000000a0800450000b20a5d000040015bea0a0100010a0100020800a06456930001461d"
    "006b000000002bb0030000000000101112131415161718191a1b1c1d1e1f202122232425";
inline constexpr char kPuntedSecond[] =
    "4500007402db200c4011e491c0000201a9fe0701262728292a2b2c2d2e2f30313233343536373839"
    "3a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f6061"
    "62636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485";
inline constexpr char kPuntedLast[] =
    "4500002402db0018401104d6c0000201a9fe0701868788898a8b8c8d8e8f909192939495";

}  // namespace dove::agent::kernel
