/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: termios(3), tty_ioctl(2), ioctl_tty(2). */
#ifndef SENTRY_ABI_TTY_H
#define SENTRY_ABI_TTY_H

#include "sentry/base/types.h"

#define LINUX_NCCS 19
struct linux_termios {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[LINUX_NCCS];
};
static_assert(sizeof(struct linux_termios) == 36, "struct termios");
struct linux_termios2 {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[LINUX_NCCS];
	uint32_t c_ispeed, c_ospeed;
};
static_assert(sizeof(struct linux_termios2) == 44, "struct termios2");
struct linux_termio {
	uint16_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[8];
};
static_assert(sizeof(struct linux_termio) == 18, "struct termio");
struct linux_winsize {
	uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel;
};

enum { LINUX_VINTR, LINUX_VQUIT, LINUX_VERASE, LINUX_VKILL, LINUX_VEOF, LINUX_VTIME, LINUX_VMIN, LINUX_VSWTC, LINUX_VSTART,
       LINUX_VSTOP, LINUX_VSUSP, LINUX_VEOL, LINUX_VREPRINT, LINUX_VDISCARD, LINUX_VWERASE, LINUX_VLNEXT, LINUX_VEOL2 };

#define LINUX_IGNBRK 0x1
#define LINUX_BRKINT 0x2
#define LINUX_PARMRK 0x8
#define LINUX_INPCK 0x10
#define LINUX_ISTRIP 0x20
#define LINUX_INLCR 0x40
#define LINUX_IGNCR 0x80
#define LINUX_ICRNL 0x100
#define LINUX_IUCLC 0x200
#define LINUX_IXON 0x400
#define LINUX_IXANY 0x800
#define LINUX_IXOFF 0x1000
#define LINUX_IMAXBEL 0x2000
#define LINUX_IUTF8 0x4000

#define LINUX_OPOST 0x1
#define LINUX_OLCUC 0x2
#define LINUX_ONLCR 0x4
#define LINUX_OCRNL 0x8
#define LINUX_ONOCR 0x10
#define LINUX_ONLRET 0x20
#define LINUX_TABDLY 0x1800
#define LINUX_XTABS 0x1800

#define LINUX_B0 0
#define LINUX_B38400 0xf
#define LINUX_CBAUD 0x100f
#define LINUX_CSIZE 0x30
#define LINUX_CS8 0x30
#define LINUX_CREAD 0x80
#define LINUX_PARENB 0x100
#define LINUX_HUPCL 0x400
#define LINUX_CLOCAL 0x800

#define LINUX_ISIG 0x1
#define LINUX_ICANON 0x2
#define LINUX_ECHO 0x8
#define LINUX_ECHOE 0x10
#define LINUX_ECHOK 0x20
#define LINUX_ECHONL 0x40
#define LINUX_NOFLSH 0x80
#define LINUX_TOSTOP 0x100
#define LINUX_ECHOCTL 0x200
#define LINUX_ECHOPRT 0x400
#define LINUX_ECHOKE 0x800
#define LINUX_IEXTEN 0x8000
#define LINUX_EXTPROC 0x10000

#define LINUX_TCGETS 0x5401
#define LINUX_TCSETS 0x5402
#define LINUX_TCSETSW 0x5403
#define LINUX_TCSETSF 0x5404
#define LINUX_TCGETA 0x5405
#define LINUX_TCSETA 0x5406
#define LINUX_TCSETAW 0x5407
#define LINUX_TCSETAF 0x5408
#define LINUX_TCSBRK 0x5409
#define LINUX_TCXONC 0x540A
#define LINUX_TCFLSH 0x540B
#define LINUX_TIOCEXCL 0x540C
#define LINUX_TIOCNXCL 0x540D
#define LINUX_TIOCSCTTY 0x540E
#define LINUX_TIOCGPGRP 0x540F
#define LINUX_TIOCSPGRP 0x5410
#define LINUX_TIOCSTI 0x5412
#define LINUX_TIOCGWINSZ 0x5413
#define LINUX_TIOCSWINSZ 0x5414
#define LINUX_TIOCGSOFTCAR 0x5419
#define LINUX_TIOCSSOFTCAR 0x541A
#define LINUX_TIOCPKT 0x5420
#define LINUX_TIOCNOTTY 0x5422
#define LINUX_TIOCSETD 0x5423
#define LINUX_TIOCGETD 0x5424
#define LINUX_TCSBRKP 0x5425
#define LINUX_TIOCSBRK 0x5427
#define LINUX_TIOCCBRK 0x5428
#define LINUX_TIOCGSID 0x5429
#define LINUX_TCGETS2 0x802C542AU
#define LINUX_TCSETS2 0x402C542BU
#define LINUX_TCSETSW2 0x402C542CU
#define LINUX_TCSETSF2 0x402C542DU
#define LINUX_TIOCGPTN 0x80045430U
#define LINUX_TIOCSPTLCK 0x40045431U
#define LINUX_TIOCGPKT 0x80045438U
#define LINUX_TIOCGPTLCK 0x80045439U
#define LINUX_TIOCGEXCL 0x80045440U
#define LINUX_TIOCGPTPEER 0x5441
#define LINUX_TIOCSIG 0x40045436U
#define LINUX_TIOCGDEV 0x80045432U
#define LINUX_TIOCVHANGUP 0x5437
#define LINUX_TIOCGLCKTRMIOS 0x5456
#define LINUX_TIOCSLCKTRMIOS 0x5457

#define LINUX_TCIFLUSH 0
#define LINUX_TCOFLUSH 1
#define LINUX_TCIOFLUSH 2
#define LINUX_TCOOFF 0
#define LINUX_TCOON 1
#define LINUX_TCIOFF 2
#define LINUX_TCION 3

#define LINUX_TIOCPKT_DATA 0
#define LINUX_TIOCPKT_FLUSHREAD 1
#define LINUX_TIOCPKT_FLUSHWRITE 2
#define LINUX_TIOCPKT_STOP 4
#define LINUX_TIOCPKT_START 8
#define LINUX_TIOCPKT_NOSTOP 16
#define LINUX_TIOCPKT_DOSTOP 32
#define LINUX_TIOCPKT_IOCTL 64

#endif
