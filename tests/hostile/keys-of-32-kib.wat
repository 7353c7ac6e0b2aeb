;; Writes keys of 32 KiB, commits them, and lists them as often as it may.
;;
;; request: write harm
;; status: 400
;; error: --transfer-mib

(func $hostile (result i32)
  (local $key i32)
  (local $number i32)
  (local.set $key (call $repeat (i32.const 0x61) (i32.const 32768)))
  (loop $again
    (local.set $number (i32.add (local.get $number) (i32.const 1)))
    (i32.store (local.get $key) (i32.or (i32.const 0x61616161) (local.get $number)))
    (call $put (local.get $key) (i32.const 32768) (local.get $key) (i32.const 1) (i32.const 0) (i32.const 64))
    (br_if $again (i32.lt_u (local.get $number) (i32.const 20))))
  (call $commit (i32.const 128))
  (loop $again
    (call $list (i32.const 0) (i32.const 0) (i32.const 64))
    (br_if $again (i32.eqz (call $failed (i32.const 64)))))
  (call $pass-on (i32.const 64)))
