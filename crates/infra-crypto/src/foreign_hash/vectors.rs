//! Hashes by the implementations themselves, for tests: who made them in which version, of which
//! password. Where a fast one will do, the cost was set lower than it is by default.

pub(super) const PLAIN: &str = "correct horse battery staple";
/// Its NFKC is another text: the micro sign and the raised two are replaced.
pub(super) const UNICODE: &str = "Gr\u{fc}\u{df}e aus K\u{f6}ln: 5 \u{b5}m\u{b2} \u{1f980}";
/// An accent that follows its letter; in NFKC they are one.
pub(super) const DECOMPOSED: &str = "cafe\u{301} au lait";
pub(super) const BLANK: &str = " ";
/// More than the 72 octets of bcrypt.
pub(super) const LONG: &str = "01234567890123456789012345678901234567890123456789012345678901234567890123456789 and what bcrypt cuts off";

/// Who made them, and the password and the hash of each.
pub(super) const VECTORS: &[(&str, &[(&str, &str)])] = &[
    (
        "Django 6.1.3",
        &[
            (
                PLAIN,
                "pbkdf2_sha256$1500000$ifZdfGJbWWy5Mf1E4m0WHv$XWw+rnbgS2EE1i87h0Olc+Di3HiDLzwo1DPaFR5B4R0=",
            ),
            (
                UNICODE,
                "pbkdf2_sha256$5000$PhCkbsol2GLhzG7DtuwatP$hjBYQZ/6DnIYNenSwseTOUc2dk3tzlhUG5yj8uG+VAI=",
            ),
            (
                BLANK,
                "pbkdf2_sha256$5000$mYbweFalvsGGyD4EB3MifW$X7Y6DrGCCH9zbVP9Q5rK+sE7oe1Lz1fAyhILg2HJEtE=",
            ),
            (
                LONG,
                "pbkdf2_sha256$5000$aqq7SkvrIOrT6LI4BTQRtt$nQ+ht+Ckn3mn4F/zGwq92PqbbIsS6c/rvjwS9n+fZIw=",
            ),
            (
                DECOMPOSED,
                "pbkdf2_sha256$5000$iTbQZjgbGmLERnUyMnV55D$biYWPSiIlYADd7Y0FpS7ukmh5fxUdjN3m+kCQP1y65o=",
            ),
            (UNICODE, "pbkdf2_sha256$1000$Salz-ü$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4="),
            (
                PLAIN,
                "argon2$argon2id$v=19$m=102400,t=2,p=8$d0lNWmVnU21DNW14U21jZldHNzg0Sw$CbFV1kD5Uzk+XsyR09jmEco3S09Ek9I9GuBuky6mvq8",
            ),
            (
                UNICODE,
                "argon2$argon2id$v=19$m=256,t=1,p=8$bjZ6Q3lQWUlhcURZN2dwUXFxR3J1Rg$MbgaO8roIQYx0xi35uZY/RSNSZVreF6/30QlxW/D1Yk",
            ),
            (
                LONG,
                "argon2$argon2id$v=19$m=256,t=1,p=8$UUc3ejdrUzJZTXA1TmRzY0ZTNmpKYw$SNmxTUUfmpYIBvpbMLD9VMXYLhEnXUKa0uHwoh5SDMo",
            ),
            (PLAIN, "bcrypt_sha256$$2b$05$83tqfrSLnWS7T5Ep1ukE/.m5ujxad4WKp.HOxKaWBN60N2chr1z9W"),
            (UNICODE, "bcrypt_sha256$$2b$05$5hKmhsPrnbyhSNIRpNQXMuA.CLOBwyoo8X6M3jdVDdm2RmAO2xP36"),
            (
                DECOMPOSED,
                "bcrypt_sha256$$2b$05$H6qJ0PkjMoZF4fZ4MMnlT.ojvBpT5qTRuqIhVdPfq/cEboWIgQtFC",
            ),
            (BLANK, "bcrypt_sha256$$2b$05$xJPcV7W9VU9Dt4liUmn4MODQ3/NnnoYMHZwNUSACFxslmgNkVhLZO"),
            (LONG, "bcrypt_sha256$$2b$05$2.0vz3DZ0TVSePP930EECeYuc/6tA8JI7N.eqC8jdhglNxJ8oQd.S"),
            (PLAIN, "bcrypt$$2b$05$BpCp/T/3kvUO9Eep5b2I6.ZijVX9cyQjVw2QYujBtLKotq6hSQR0m"),
            (UNICODE, "bcrypt$$2b$05$CCL5kY.7b.ZghRCbtMihqefsvbIKLkLbqI4dcxAJaQXI/yGU56rzi"),
            (BLANK, "bcrypt$$2b$05$dkx0hc1Bz.0TQbx7b3tAd.QfkkhQ/ZFv.yuTEPMaEJ2cGAfwvq5b2"),
            (
                PLAIN,
                "scrypt$16384$BwkGhOJOgK4K1xvI3YWOos$8$5$fKSHxxU/jae6F52cYFSqXYtRY6uZkyEm6tKHI9m3lRtkKafOuNyUuS9kufG6ZgCQR/VW20VyQ89wzlg7hQZXkQ==",
            ),
            (
                UNICODE,
                "scrypt$256$BFTdxRnhAEZdn1gRRXzXPp$8$2$QTC7j7E+4h7TBCyu+C1BcoFzItkf+wxdrEgRbtI1yBpKWPz0Rto6kayVku1uOS2a87NeqnHGit7evz72i8bsBw==",
            ),
            (
                LONG,
                "scrypt$256$NypjZ0la3QSXHkhOlgUcLI$8$2$f1DRkEgI678kRBM1zm7wIuXLatRTA4nBkoS/fCxuhy8dGysHQjAz8WW1hy5N0ZsHUdz0xIraerIPZJP503/qqA==",
            ),
        ],
    ),
    (
        "Django 5.2.19",
        &[
            (
                PLAIN,
                "pbkdf2_sha256$1000000$3H96xeVBgwMOUUw4VdQxFa$4UpXz4EyqePtOhyrwktvzzdogBGQqGwNyEaBBTdqw+4=",
            ),
            (
                PLAIN,
                "argon2$argon2id$v=19$m=102400,t=2,p=8$SXoycHR4T1JXZmJvdlRBN3hOSGtHNQ$3tQUmKaSwtxVO9/7p2c4i0fpyc+A8bKpfTFzsQQ6TUc",
            ),
            (PLAIN, "bcrypt_sha256$$2b$05$Zd.GNsyK2g0ir5VeVN3co.uHUyPXMByeAB4xW6DXKsZV3x6GF3HRC"),
            (PLAIN, "bcrypt$$2b$05$xe/JzaDfCpdd4XGyOauQkOqpep2t.yA5LXWNFQSfcD8fYRgVUjSTK"),
            (
                PLAIN,
                "scrypt$16384$olRB8rW1BRVQQGQjgclkBg$8$5$Iu8V26TGDLGzp0s060ey76e7FcZYD8aguFZ233idltsXtAY728PLLVTiGILnNqonY6A7cLJtk/IcsWfRQt8hFg==",
            ),
        ],
    ),
    (
        "passlib 1.7.4",
        &[
            (
                PLAIN,
                "$pbkdf2-sha256$29000$GaN0zjlHaG2NUWqttdYaow$oHbgvHsqSxYOroRe3GsOwexoF/seBjwgXgCEUHmTK.4",
            ),
            (
                PLAIN,
                "$pbkdf2-sha512$25000$sxYCYEyJ8R6jVEqJcS4lxA$TthBGbgAMXFgI2X/L1MQ7GyqqmZ6KS5w3WI0h4Md7s2Nn30viS2Zycm8ZoBITKyRfLJIIoD4Ws.BR2ZxHOmllg",
            ),
            (
                UNICODE,
                "$pbkdf2-sha256$1000$.l/rfc95L.V8D0HI.T/nPA$OpYOSO2WAiisoYgXXkaEQfWPNg.sgxwVxGoSvBjH8xQ",
            ),
            (
                UNICODE,
                "$pbkdf2-sha512$1000$7D0HgBDi/D/nnFMKgdD6Xw$iOi.CoriP56gD7cu9uBmkhDXqC5sWIH9dsh0SEH3CySwcBCvZE2BoUo6.XCXBo.855TXkigKN0I8JpBuujHArQ",
            ),
            (
                BLANK,
                "$pbkdf2-sha256$1000$gHDO.Z.TktK6d25NqbUW4g$BSZ.QHTC4JYXI9FSsHXvFFIICVvDCkoByx2EHQSKLh4",
            ),
            (
                BLANK,
                "$pbkdf2-sha512$1000$q7X2njOGUCrFWAuhVKq1tg$gd9gWSu4LMfTIL2wYhEdU00tgZA7GBt/CsMd1BCSVdoGXbC1fRS73MffmuGeQFZON0pKHR1p0pCcitwy75SXLA",
            ),
            (
                LONG,
                "$pbkdf2-sha256$1000$PWfMOQfA2BuDkLJWinFujQ$qOCuQTSVMUGCNyW4ifGoOjGY1Z55a5O8ABm08udmxPg",
            ),
            (
                LONG,
                "$pbkdf2-sha512$1000$ZkyptbZWqhUCYIzR.t97rw$tPTvRneObAEmF6NdffDM6O/1CXnBfHzez7ewKm09TUMt5IZaJFSFIO/x8uI9pvma9ZXgk9WbEkGB0Rfx/gdPKw",
            ),
            (
                DECOMPOSED,
                "$pbkdf2-sha256$1000$6f2/t1YKgTAGoHRube19Tw$dERCd0Zgg4CKyn.VMSLG7ZThdKKjMv97.ZVDCy1KGrA",
            ),
            (
                DECOMPOSED,
                "$pbkdf2-sha512$1000$L4XQWgvhHAOA0DonZAzhPA$rCtGmQgy3ec6H067yhh3/x2b7mM19F/YmzIVndR.GunY/JLLtePYA0jY3MMjEOTInH1SbiPq8NG2RPT/PncCKg",
            ),
            (
                PLAIN,
                "$scrypt$ln=16,r=8,p=1$XwsB4JxTitF6j3FOaa3VGg$owkLE+VUqAX8zY9tnsvwCgNE0zvZSEdFxtCEx1KmjR0",
            ),
            (
                UNICODE,
                "$scrypt$ln=8,r=8,p=2$4lwrRUhpTWnt3bsX4pyz9g$5F25dTsctZr+dP+tyb+UkDPwEqxC89nR/98+fWKPhx0",
            ),
            (
                BLANK,
                "$scrypt$ln=8,r=8,p=2$KQWgdO7d2/tf6937/5+Tcg$Nq7yj1yrdqXRWBhXZqDXNu1zln6FiJf/dgwPe46Qh70",
            ),
            (
                LONG,
                "$scrypt$ln=8,r=8,p=2$LmXMWStlbG3tPUdIqfUeYw$OkBHCa3zyZwR7Dvn3D9wGtOj3FxTQ3nJagfqJHgUVRk",
            ),
            (
                PLAIN,
                "$7$76..../....pdSa8z5HSOmd07oXQshZ6w$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA",
            ),
            (
                UNICODE,
                "$7$76..../....4BzDOOdcK6X0HgMgZAwhBA$IDr65Udl0x0mL0g6.2s3wk35et9jnTzdiUmq3vsiio7",
            ),
            (
                LONG,
                "$7$76..../....GeM8JwTgvPdei1Eq5dy7Fw$JNoEBKhacDvPCDdU8C.A4lnbOS5A7scvMStVz./1Jl1",
            ),
            (
                PLAIN,
                "$bcrypt-sha256$v=2,t=2b,r=5$9JDX6K.nNRDXreFmpejWJ.$cW/9tNJNTaW1ZRKaf09eVx.aMTTYKuS",
            ),
            (
                UNICODE,
                "$bcrypt-sha256$v=2,t=2b,r=5$8LWAIA5Xr9YTZ9w3YlhDNe$biBJ4ivyk.BZ7pJRl57trKBqSzJlAM.",
            ),
            (
                DECOMPOSED,
                "$bcrypt-sha256$v=2,t=2b,r=5$Meaml6Bm1LHqs6PgyGG7xe$GAnHOez0dbcF7r6yl/ySSgyszTXRV8G",
            ),
            (
                BLANK,
                "$bcrypt-sha256$v=2,t=2b,r=5$47s4LpxR.mSr6.P.sZFYAe$HB6Kj1ds0wi.9S9urtDFFtIzGf6vAh2",
            ),
            (
                LONG,
                "$bcrypt-sha256$v=2,t=2b,r=5$BkpJntyYy1oPzGxGRp7R6e$cBM87cAtGjteh0u7F0IRoDgwyyDD7om",
            ),
            (PLAIN, "$bcrypt-sha256$2b,5$eyFUQi6b/gGrRpM7BrfS1.$bn0.yE8QZp/svaY9PjCjXf7XkPipITC"),
            (UNICODE, "$bcrypt-sha256$2b,5$Czs8RB6.FQOQfTdHSr5Tpu$EPPDuhAmh78H4im0imBRF0jmoeYu4SK"),
            (LONG, "$bcrypt-sha256$2b,5$TXESoN.teR2MQDa5Np26pe$7Qw/xiCA.yPET9l9LNHPmO3lYPr4aGW"),
            (PLAIN, "$bcrypt-sha256$2a,5$xiHGgVhf3ED6u29BIW.apu$T1qjjqqiWoLi1vvsSx15qXBmG9jtPuS"),
            (PLAIN, "$2b$05$YCdctA3r9eIGxIKiD1P7yuMchGLjhVtdjJJB2u3xXNEsPtdbD9xvS"),
            (UNICODE, "$2b$05$khjbdrYUuzKJyCmSFiHCwOeNR7FydrQtk.5cPLRUGHXpsXZfAqoG."),
            (DECOMPOSED, "$2b$05$bmeStWK0UBkiDChXJmVD6ux8mz3wmXrczeCJdlIVgRlgOFCFWz/Ke"),
            (BLANK, "$2b$05$HpT9E.7uHx69kyWJAHBAnORpn.GxTkmdeA5uc1SFlci7quUgGcLPK"),
            (LONG, "$2b$05$.J3cwSuVWUnYaJ9XwpWVYen5z7WNW7gsS.BJ9cHdsiEoqLo8rrLKe"),
            (UNICODE, "$2y$05$.Ed513l9aVZCbzm8uosYHejc.G/Pur2UrqcvAtEZQ8xiry1lnhFee"),
            (UNICODE, "$2a$05$fsMvlzkze/omVxJMICh3hO0TSiFLqmjuVRN.s08H07u/fjTw/Rl/C"),
            (
                PLAIN,
                "$argon2id$v=19$m=65536,t=3,p=4$l5Kydg7BWEtpjZFybu19zw$LC+MA1UhUEsfjTCmYXgPSFpGG1BArmPkm2ElHUncyjs",
            ),
            (UNICODE, "$argon2i$v=19$m=256,t=2,p=2$qJVSCuEcozSmNCaEcK61Ng$UA2ZgKlmXW4qeKCOqHJtiw"),
            (UNICODE, "$argon2id$v=19$m=256,t=2,p=2$qhWC0PqfU+p9LyWEECIEgA$KnvZhTofg0Q0pdHshAOHcg"),
        ],
    ),
    (
        "argon2-cffi 25.1.0",
        &[
            (
                PLAIN,
                "$argon2id$v=19$m=65536,t=3,p=4$PxaF5V0RXJuPTOKzyxgC8w$3CvG9kmDT5izPmD6XxkdhsG7urCPI7eZsmWtldbgo2U",
            ),
            (
                UNICODE,
                "$argon2i$v=16$m=256,t=2,p=1$gPmUsG3sFAy3jLSegUBkIg$VYBygHCIVwXtPOeGL+kfbgv5CQhSiomCWT4vhNjq97s",
            ),
            (
                UNICODE,
                "$argon2i$v=19$m=256,t=2,p=1$7VrDaMe2vlqd/6kXLjW0Fg$dfHIJcLBJYHp32KzUhAHzXThLjyoMza7f+HBW/JALlI",
            ),
            (
                UNICODE,
                "$argon2id$v=16$m=256,t=2,p=1$l75VLYDNdorzf1x+mFO95A$k8zjHqgkgmSX8744a4keX/wh/23t+mCwWP2buZebuM8",
            ),
            (
                UNICODE,
                "$argon2id$v=19$m=256,t=2,p=1$nd0FkaMfriH8irTsS8aaXA$Z8HNkU+CRQrOYslpr/fmCC4qLaqVysAs0ebDvl0jL0U",
            ),
            (
                LONG,
                "$argon2id$v=19$m=64,t=1,p=1$TLueeDUy9hBBB7NSOYylCA$R1DRY3qBhJSVtie1pyDGAqbxr3z6FWyB266s8VZ5vqqGDIEcSzixRP4GgLoN0/4Ahd+jZMFXiU6NFQv5Z/pC7g",
            ),
            (
                BLANK,
                "$argon2id$v=19$m=64,t=1,p=1$mNq7Unht2LI$nsXfJI61ZjkhgVv3o0MsnC+Yq8mtmzYlpxlUxY7J+dY",
            ),
        ],
    ),
    (
        "bcrypt 5.0.0",
        &[
            (PLAIN, "$2a$05$vHZvogxv7hlJE.x.V9BEL.rq2KrVD6g3IkFT59yP8O46VG.79rQka"),
            (PLAIN, "$2b$05$.3RE7uDs/1X0WzITi.mZfuWGuqdVRNTUWuBcIRhEPcsMB2TMs.S3m"),
            (UNICODE, "$2a$05$WTu6lOsO2ePeuTuAybSQiOX6q5UNp3gOKIk2hJmHqVtrHk3GL/U6W"),
            (UNICODE, "$2b$05$R.Av9C/1fa5xjLKveTfKResnU1BpdGbrLH714bVNIGsf1toLHX9we"),
            (DECOMPOSED, "$2a$05$PsAZiwfEtNAhpvSSZEePc.DPDNWvPdJBEQlRk1QQz93LhuyFQ5bzu"),
            (DECOMPOSED, "$2b$05$ZlrgzIHwm5ZM.sNBKUptZeUCAD74Fbbp/.agG.IYlwMTGLMEWarQq"),
            (BLANK, "$2a$05$.c1hNex2i/rw4dAlTq5QSeKyNLoIccLmmiaqscyKUDT/FeeF1ZSae"),
            (BLANK, "$2b$05$LQ2IwtBJhPyGSZoooYy5yug4gFfEsE8pUPsFtlWI4iwJj4f9SDHzC"),
            (LONG, "$2a$05$iBUhFzBAJgpBXRCVyXeldegrH53H5lU0anqSvL2VyABBLDyE91vkO"),
            (LONG, "$2b$05$XjAJyqBDdYRieOHK1Wft9uxFRGCO0o24p3g4FjCWskO03hkCfptGm"),
            (PLAIN, "$2b$12$oiVn1WAgOK32SFt.Rh6xTeMqC20N2z55qoYRs1s5A7Y7o03yjIG1."),
            (PLAIN, "$2y$05$74gjIsvH3rIog0zyaBtx6eB9kZmQ03Bf/uJrWPdYUQywXFaEoArGe"),
        ],
    ),
    (
        "CPython 3.11.7 hashlib, OpenSSL 3.0.19",
        &[
            (
                PLAIN,
                "$pbkdf2-sha256$i=1000,l=32$E3zNThK4yC1OPupKK3QzGA$1GQdjzT902pZqGLkS4KOX5pY6uJOAH7Y1E3whUcxYAY",
            ),
            (
                PLAIN,
                "$pbkdf2-sha512$i=1000,l=64$jG9w4zpDuR7u2Vzqst+48A$af5w9dff8luXAzKZk4nLOUobfo9MxEsr5BCMo4ZaEmpIcFUZ1oJtrc4bPKvYj+8zrduDmkMQuJ1YlY98li2quQ",
            ),
            (
                PLAIN,
                "$pbkdf2-sha256$i=1000,l=64$4gCbmNZn81YsW1T28qtxcg$JUck215p6ShXbBxtvw5GKiKVuIcpsOT/fkVKHaclOroyL51hnk5NtFkW+O5vD7iKZHDrEcPCKzHkihT5P+ylhQ",
            ),
            (
                PLAIN,
                "$pbkdf2-sha512$i=1000,l=32$YxVg3LsusQTxlc918Yr5lw$iERLA1ipxp2oux361NAUh4Z5eYeBuKhZzt7OwAoz06M",
            ),
            (
                UNICODE,
                "$pbkdf2-sha256$i=1000,l=32$2mprs6Zlp83EBnbTFfb+4g$wxLYgwmlubSwsd1wHl4kYDAETKI0Em8sxEJ2HeBIdMU",
            ),
            (
                UNICODE,
                "$pbkdf2-sha512$i=1000,l=64$R4mN1DfTOiGNXLKZMx+OpQ$ITVhlD9JVN9rrnr4FZ76JFFKIniMh5P6tEvvsl7pJPJIwAbuzeEb3Ia4JwwUHBpCyl1scydCBFU57F22yTdqIg",
            ),
            (
                UNICODE,
                "$pbkdf2-sha256$i=1000,l=64$x6t/YGdZCTVXFPXVb5VQ/g$I+y/Uboa6Y8lJHj+GQRzT6Zi+0TxegIHbeq7kJnhwzrhOjjzZgde0Km78ucKcaKjbxHksNI9KU2ONSDsPXittg",
            ),
            (
                UNICODE,
                "$pbkdf2-sha512$i=1000,l=32$iy0vDDLfh0H/kSlLC3tLwg$8ItfwcILz0MrG0AcUjS8DKPvsAEIODm6RTc/uKtXWFk",
            ),
            (
                BLANK,
                "$pbkdf2-sha256$i=1000,l=32$4XUUFehQ5pSxEB1nxTMM9w$+Aauw38EtEuMFTlBf7tgJnBsFhroM7SkoXuSVhclBmw",
            ),
            (
                BLANK,
                "$pbkdf2-sha512$i=1000,l=64$r446iQBX8WAaREHfb7G8XQ$GZry0A09Kc9sETkHFgQfgF1r73L2PQLbHxRiiPoentlr4NZOFitp1rfjMTGejBx0Sl7RQvymGCfZzYwsqSS88A",
            ),
            (
                BLANK,
                "$pbkdf2-sha256$i=1000,l=64$wOpV2FM9LffFFWBCbEWYig$X2SoFj0cN9PwxXo5TdmFgCNofG0mFIqEB+CwM3WcaBymRIE1KUZ1rMboXB74CgXaSqPGNlaWx8yYZ/7xL4lEKg",
            ),
            (
                BLANK,
                "$pbkdf2-sha512$i=1000,l=32$K9YKYYMLDuBZMZMAlQHsDg$ZI0xuSSI2PvbVprX2TFG3g/RlS13ib88YksCzHPddOU",
            ),
            (
                LONG,
                "$pbkdf2-sha256$i=1000,l=32$ktvBhHM2Lj6l89yRhOO5Mw$/WTrPoYH3+xjFvi+Pr9zFVhFbSQ4AkZj8Xcl5Lw0TAg",
            ),
            (
                LONG,
                "$pbkdf2-sha512$i=1000,l=64$mcr9KFjduq1aTfUduMZ8cg$rin/g1/PdPGVkZL0o36IABCMi7xo58OHGj22M91EiRJ8vcEuNGadK3Lymo8IbPUh/FiOimpQIMhAbvTrre+Oug",
            ),
            (
                LONG,
                "$pbkdf2-sha256$i=1000,l=64$YXX1iFGVaKgm/uqPZ0kAEg$aoYGSLrkHrXp6UCHT00KAEgi5nglXpNo7ftmtCnL5Lbp6w9jkG/K/OhBgyCxcclYe9lMjtV+AaaNskX5YbCapA",
            ),
            (
                LONG,
                "$pbkdf2-sha512$i=1000,l=32$GlIqPpOO8R33Sh1I/jh2vQ$Hd6THY7C6NAPR8hCf9nX1cl+puixpNjFeZuZypR2hKs",
            ),
            (
                PLAIN,
                "$scrypt$ln=17,r=8,p=1$rpU64NVEggmPLp55jAwqTQ$ceASGEVE/Gzr4p2+6Fd7awXfRUY4wmhWFXtFhI/JpKY",
            ),
        ],
    ),
    (
        "scrypt 0.9.4",
        &[(
            UNICODE,
            "$scrypt$ln=10,r=8,p=1$5oM3DIqt2BkhtcMyF41Vug$QK/hLJfdXgStlyHp6hKqhaq5wIQNySfwnrKT4UMaiobwU1ppQU3bcCLgincTKMHZJpXv2xJxZwfGRs/uf2Zjog",
        )],
    ),
    (
        "libxcrypt 4.4.33",
        &[
            (PLAIN, "$2y$05$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG"),
            (PLAIN, "$2a$05$sKy1VpP6SUjCywCHPVCit.eWNggntthwYRMOuE8aQwY6UJrtK0HUW"),
            (
                PLAIN,
                "$7$66..../....2VRk8IuZ5sxaLPQs02jM5g$jy7Upd3PuTjFSQw4RZ28yZr3mOYwy28s57ZuBH8Ruv1",
            ),
            (UNICODE, "$2y$05$cbtmduob9DiTQQt6NjK2l.JRs/tnZshYec.dHn0vY3a1/3cGcMj06"),
            (UNICODE, "$2a$05$rtHb3F.njLtLqrN2LyB9k.57lNO61Ec2QPcBC0GXJsgYCvPGZ0X12"),
            (
                UNICODE,
                "$7$66..../....pYDuyltDznntyHE1SfrCuw$NTd3dB1EAnruvfMVmOcNc5O4YaeMueChGdX/COFzAvB",
            ),
            (DECOMPOSED, "$2y$05$S20OvMSo7M1Hj/VjACsTO.RDMNqB3G/OMEsWnn30vNl0ujtTGiPqq"),
            (DECOMPOSED, "$2a$05$8ToTSySHAe4MxjmGJTQFy.uG018yQZ8LUeXluNmqWw4HpMDsrYDs2"),
            (
                DECOMPOSED,
                "$7$66..../....Pycl8CAb.6bSDEEmljCPFA$piolaJ25c3WBDjNoxy1khOUHrH6ughoDIwIOiLxMOE5",
            ),
            (BLANK, "$2y$05$7JPmK84CjYEuxRA4PMG5Z.5pnG8FVtCFRGtbzctiAMNwmKROUWVua"),
            (BLANK, "$2a$05$8mTtwsPyMTDGcJgn3.Fom.1Wj7EnB62wrm117wCwU5CJeTLwxmwb."),
            (
                BLANK,
                "$7$66..../....m9fsu5fM9BZmnHIqBcy3bQ$u.D4maS8V1xQx04zJ8lgY4KpGYJW0YY9ZnRoD7BTR/3",
            ),
            (LONG, "$2y$05$l2HlNfvUx9ET1QhTiJgHx.Y3huc0lqHkouz8wsIInJXC7R2hQD10W"),
            (LONG, "$2a$05$I/dYmMHtMmziBCwTrYHub.2iWlg10gEYyUwpGvgUvWTP2ecMSE1YO"),
            (
                LONG,
                "$7$66..../....3Y3RWPYkUKdQioXHNQu3Sw$jZDYH5VC83ezgcxC5CKWPkOVM1fiBHvLdtTF8ZD20X/",
            ),
        ],
    ),
    (
        "PHP 8.2.35",
        &[
            (PLAIN, "$2y$05$L38D0YlThxlyoiYT11dal.kp9O1sBtyGhGGO.Ng/6Mx9.pO8mXFvG"),
            (
                PLAIN,
                "$argon2id$v=19$m=256,t=2,p=1$Nk1XN1gvVnllRWYxZi8zNQ$rd26/LRotHT1TjL7sBD9LJ5eCrfx9Oyb+vKq4RG76fM",
            ),
            (
                PLAIN,
                "$argon2i$v=19$m=256,t=2,p=1$eHVIdW50UFppaEVpbC9HeA$z0yDfYgTE7ebhM6vwPbGI6Vt/nQ97lBbfleRM+vUSnY",
            ),
            (UNICODE, "$2y$05$bdZa/RY09IeSouv4/ofCTe3BcdLHu5CAwt481mfdC4ZcTrkmXO6TG"),
            (
                UNICODE,
                "$argon2id$v=19$m=256,t=2,p=1$bzJrQXRKbU1PcGFtZjA1TA$eJtsUYIz1tkVriLpQGbpc3ByRGwW9ftVMMnYzkOqeyA",
            ),
            (
                UNICODE,
                "$argon2i$v=19$m=256,t=2,p=1$cEczd0ZCTDVxTnRYbWRWTw$dY4tgcQf5gUWwrCmKYXyR+n80Rd86Bk9GXhuNk7mq4A",
            ),
            (DECOMPOSED, "$2y$05$G/RaliRxv0PTb154jtNrMO2FbwMrNzyOcBDqwWmwWGOMiNQ6kcAES"),
            (
                DECOMPOSED,
                "$argon2id$v=19$m=256,t=2,p=1$U2E1Q05QU0hvZjJnaFBveg$yA7mv8My7qowci4o6eyt3ajZFQTR/reagvN8unjQDC8",
            ),
            (
                DECOMPOSED,
                "$argon2i$v=19$m=256,t=2,p=1$c3hoZHpIQjJmQmc3elJzMg$LC54dhXNEQFN0Qbz312qyAk6o3Pt65Ncam1cpOyooiY",
            ),
            (BLANK, "$2y$05$Q9LTuhoLM2B0S66BWIkiLeaFWDsmIVfWpdyrsiWZeQd179qWx326C"),
            (
                BLANK,
                "$argon2id$v=19$m=256,t=2,p=1$RWxTVm9vVjdZNmxJMVFPRw$AzwKlBhdm0GO4BoL4lLeJt27Qk4JkAA3lx6reulUDsc",
            ),
            (
                BLANK,
                "$argon2i$v=19$m=256,t=2,p=1$QkZ4VEVoV2U3b0FDc2Q0Qg$a4OwSSZoIkdUOQAJAslVttDNgapTZMjOLnbiWRLGZGY",
            ),
            (LONG, "$2y$05$v1z2iDfR6B34KtODCNkQ3eTABGUP97yc3x195FQlwJKxPSm8dqUEG"),
            (
                LONG,
                "$argon2id$v=19$m=256,t=2,p=1$US5CR0h2SENGbFpnYmROYg$pyaDs0iBOC5M+S97r/Zd5GhJ0I7gC9TzEwW7UNjqXxk",
            ),
            (
                LONG,
                "$argon2i$v=19$m=256,t=2,p=1$cU9XdjRwc3dYTHk3Zk4wbA$IeK6QM+qohLwlZOoILV2d4X52YHt8MyqHqR8q6jfuRM",
            ),
            (
                PLAIN,
                "$argon2id$v=19$m=65536,t=4,p=1$ZU5NNWN1b2M4SEdTN2h3Qw$ZsnSj+mgbKdCejNxMGmdLLyJi7ATFiiO/Ww3pt5Rbhk",
            ),
        ],
    ),
    (
        "Debian mkpasswd 5.5.17, libxcrypt 4.4.33",
        &[(
            PLAIN,
            "$7$CU..../....SeKKgBZKkOjBZEWad3EQS.$HTfREgFMe8yZ4e0xDodhsRSPV28M/N59Uy//8ufse33",
        )],
    ),
    (
        "Apache htpasswd 2.4.71",
        &[(PLAIN, "$2y$05$J3ZvQYQ8Z7Tz8PC3VyyLuOR4JHktK6/8eNqR/FfABJIzSs/aY2LZa")],
    ),
    (
        "CPython 3.11 hashlib, in the form of a subclass of Django's PBKDF2PasswordHasher",
        &[(
            UNICODE,
            "pbkdf2_sha512$5000$Salt4Sha512$tcalr3LwfcU8aIRlw7pNg9Vme+wgCv/kJxoKryeaiM5y2gBPxdkh3cMoSyz/EFhAKO/c8oWg7pwSq8E+sW0Tlw==",
        )],
    ),
];
