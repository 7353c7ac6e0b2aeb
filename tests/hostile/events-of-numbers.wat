;; Sends 100 events of 60 KiB of numbers, each of which is decoded to many times its size on its way.
;;
;; request: write harm
;; status: 200

(func $hostile (result i32)
  (local $text i32)
  (local $at i32)
  (local $number i32)
  (local.set $text (call $allocate (i32.const 60008)))
  (i64.store (local.get $text) (i64.const 0x5b3a2261227b)) ;; `{"a":[`
  (local.set $at (i32.add (local.get $text) (i32.const 6)))
  (loop $next
    (i32.store16 (local.get $at) (i32.const 0x2c31)) ;; `1,`
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $text) (i32.const 60000)))))
  (i32.store (local.get $at) (i32.const 0x7d5d31)) ;; `1]}`
  (loop $again
    (call $send (i32.const 2048) (i32.const 7) (local.get $text) (i32.const 60003) (i32.const 64))
    (local.set $number (i32.add (local.get $number) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $number) (i32.const 100))))
  (call $benign))
