;; Says at random whether a path exists, so that the check, once repeated, may not fit the request.
;;
;; request: write harm
;; status: 200

(func $check (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $nothing))))
  (call $random (i32.const 1) (i32.const 64))
  (i32.store8 (i32.const 1796) (i32.const 1))
  (i32.store8 (i32.const 1797) (i32.and (i32.const 1) (i32.load8_u (i32.load (i32.const 64)))))
  (call $nothing))
